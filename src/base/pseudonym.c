#include "base/pseudonym.h"

#include <sodium.h>
#include <string.h>
#include <sys/resource.h>

#include "strata/io.h"
#include "strata/memory.h"

#define MAKE_A_KEY                                                                                 \
    "make one: (umask 077; head -c 32 /dev/urandom | base64 > strata.key), keep it safe"

struct strata_pseudonymiser {
    strata_key *key; /* owned, read-only */
    char key_id[17];
    struct rlimit core; /* what the limit was */
    bool core_changed;
};

strata_status strata_key_new(strata_context *ctx, strata_key **out)
{
    if (sodium_init() < 0)
        return strata_context_fail(ctx, STRATA_ERR_INTERNAL, __FILE__, __LINE__,
                                   "libsodium could not be started (no source of randomness?)");
    /* Guard pages around, left out of core dumps, wiped when freed, and locked into memory as far as
     * the limit on locked memory allows. */
    strata_key *key = sodium_malloc(sizeof *key);
    if (!key)
        return strata_context_fail(ctx, STRATA_ERR_MEMORY, __FILE__, __LINE__,
                                   "no protected memory for the pseudonym key on rank %d",
                                   ctx->rank);
    *key = (strata_key){0};
    *out = key;
    return STRATA_OK;
}

void strata_key_free(strata_key **key)
{
    sodium_free(*key); /* wipes; safe on NULL */
    *key = NULL;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Cuts white space off text[0..length) and turns the rest into a BLAKE2b key. */
static void key_from_secret(const uint8_t *text, int64_t length, strata_key *key)
{
    while (length > 0 && is_blank(text[length - 1]))
        length--;
    while (length > 0 && is_blank(*text)) {
        text++;
        length--;
    }
    if (length <= STRATA_KEY_MAX) {
        memcpy(key->bytes, text, (size_t)length);
        key->length = (int32_t)length;
    } else {
        crypto_generichash(key->bytes, STRATA_KEY_MAX, text, (unsigned long long)length, NULL, 0);
        key->length = STRATA_KEY_MAX;
    }
}

strata_status strata_key_read(strata_context *ctx, const char *path, strata_key *key)
{
    strata_status rc = STRATA_OK;
    int fd = -1;
    int64_t got = 0;
    uint8_t secret[STRATA_SECRET_MAX + 1];
    if (!path || !*path)
        STRATA_FAIL(
            ctx, STRATA_ERR_USAGE,
            "privacy.key_file is not set, and pseudonyms need a secret key; %s, and name it by "
            "--set privacy.key_file=strata.key (privacy.mode: plain is for public data only)",
            MAKE_A_KEY);
    rc = strata_io_open_secret(ctx, path, &fd);
    if (rc != STRATA_OK) {
        char said[sizeof ctx->error.message];
        memcpy(said, ctx->error.message, sizeof said);
        strata_context_clear_error(ctx);
        STRATA_FAIL(ctx, rc, "privacy.key_file %s; %s", said, MAKE_A_KEY);
    }
    STRATA_TRY(strata_io_pread(ctx, fd, path, secret, (int64_t)sizeof secret, 0, &got));
    if (got < STRATA_SECRET_MIN || got > STRATA_SECRET_MAX)
        STRATA_FAIL(ctx, STRATA_ERR_USAGE,
                    "privacy.key_file %s: holds %s%lld bytes, %d to %d are needed; %s", path,
                    got > STRATA_SECRET_MAX ? "at least " : "", (long long)got, STRATA_SECRET_MIN,
                    STRATA_SECRET_MAX, MAKE_A_KEY);
    key_from_secret(secret, got, key);
    if (key->length < STRATA_SECRET_MIN / 2) /* raw random bytes may begin or end with a blank */
        STRATA_FAIL(ctx, STRATA_ERR_USAGE, "privacy.key_file %s: holds hardly more than blanks; %s",
                    path, MAKE_A_KEY);
done:
    sodium_memzero(secret, sizeof secret);
    if (fd >= 0 && strata_io_close(ctx, &fd, path) != STRATA_OK && rc == STRATA_OK)
        rc = STRATA_ERR_IO;
    return rc;
}

static void set_key_id(strata_pseudonymiser *p)
{
    static const char text[] = "strata key id";
    uint8_t full[32]; /* another length than a pseudonym's, so no id can hash to this */
    crypto_generichash(full, sizeof full, (const uint8_t *)text, sizeof text - 1, p->key->bytes,
                       (size_t)p->key->length);
    char digits[32];
    strata_hex(full, digits);
    memcpy(p->key_id, digits, sizeof p->key_id - 1);
}

static void set_token_key(strata_key *key)
{
    static const char text[] = "strata token key";
    uint8_t full[32]; /* another length than a pseudonym's, so no id can hash to this */
    crypto_generichash(full, sizeof full, (const uint8_t *)text, sizeof text - 1, key->bytes,
                       (size_t)key->length);
    memcpy(key->token, full, sizeof key->token);
    sodium_memzero(full, sizeof full);
}

strata_status strata_pseudonymiser_from_key(strata_context *ctx, strata_key **key,
                                            strata_pseudonymiser **out)
{
    strata_pseudonymiser *p = NULL;
    strata_status rc = strata_calloc(ctx, 1, sizeof *p, &p);
    if (rc != STRATA_OK)
        return rc;
    p->key = *key;
    *key = NULL;
    if (p->key->length > 0) {
        set_key_id(p);
        set_token_key(p->key);
        if (getrlimit(RLIMIT_CORE, &p->core) == 0) {
            struct rlimit none = {.rlim_cur = 0, .rlim_max = p->core.rlim_max};
            p->core_changed = setrlimit(RLIMIT_CORE, &none) == 0;
        }
        if (!p->core_changed)
            strata_log(ctx, STRATA_LOG_WARNING, "core dumps could not be turned off");
    }
    sodium_mprotect_readonly(p->key);
    *out = p;
    return STRATA_OK;
}

void strata_pseudonymiser_destroy(strata_pseudonymiser **pseudonymiser)
{
    strata_pseudonymiser *p = *pseudonymiser;
    if (!p)
        return;
    strata_key_free(&p->key);
    if (p->core_changed)
        setrlimit(RLIMIT_CORE, &p->core);
    strata_free(pseudonymiser);
}

void strata_pseudonym(const strata_pseudonymiser *pseudonymiser, const char *id, int64_t length,
                      uint8_t out[16])
{
    const strata_key *key = pseudonymiser->key;
    crypto_generichash(out, 16, (const uint8_t *)id, (unsigned long long)length,
                       key->length ? key->bytes : NULL, (size_t)key->length);
}

void strata_token(const strata_pseudonymiser *pseudonymiser, const char *id, int64_t length,
                  uint8_t out[16])
{
    const strata_key *key = pseudonymiser->key;
    if (key->length == 0) {
        strata_pseudonym(pseudonymiser, id, length, out);
        return;
    }
    crypto_shorthash_siphashx24(out, (const uint8_t *)id, (unsigned long long)length, key->token);
}

const char *strata_pseudonymiser_key_id(const strata_pseudonymiser *pseudonymiser)
{
    return pseudonymiser->key_id;
}
