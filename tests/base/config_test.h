/* config_test.h: what the tests of the configuration share. */
#ifndef STRATA_TESTS_BASE_CONFIG_TEST_H
#define STRATA_TESTS_BASE_CONFIG_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "strata/config.h"
#include "strata/memory.h"

static strata_context ctx;

static inline int begin(void **state)
{
    (void)state;
    return strata_context_init(&ctx, MPI_COMM_NULL) == STRATA_OK ? 0 : -1;
}

/* Loads text over the defaults and validates. */
static inline strata_status load(const char *text, strata_config *config)
{
    strata_context_clear_error(&ctx);
    strata_status rc = strata_config_init(&ctx, config);
    if (rc == STRATA_OK)
        rc = strata_config_load_text(&ctx, config, text, (int64_t)strlen(text), "f.yaml");
    if (rc == STRATA_OK)
        rc = strata_config_validate(&ctx, config);
    return rc;
}

static inline void expect_ok(const char *text, strata_config *config)
{
    if (load(text, config) != STRATA_OK)
        fail_msg("%s\nrefused: %s", text, ctx.error.message);
}

#endif
