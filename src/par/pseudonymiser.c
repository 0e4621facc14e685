#include "base/pseudonym.h"
#include "strata/par.h"

strata_status strata_pseudonymiser_create(strata_context *ctx, const strata_config *config,
                                          strata_pseudonymiser **out)
{
    strata_status rc = STRATA_OK;
    strata_key *key = NULL;
    strata_pseudonymiser *made = NULL;
    STRATA_AGREE(ctx, strata_key_new(ctx, &key));
    bool keyed = config->privacy.mode == STRATA_PRIVACY_KEYED;
    STRATA_AGREE(ctx, keyed && ctx->rank == 0 ? strata_key_read(ctx, config->privacy.key_file, key)
                                              : STRATA_OK);
    if (keyed)
        STRATA_TRY(strata_par_bcast(ctx, key, sizeof *key, 0));
    STRATA_AGREE(ctx, strata_pseudonymiser_from_key(ctx, &key, &made));
    *out = made;
    made = NULL;
done:
    strata_pseudonymiser_destroy(&made);
    strata_key_free(&key);
    return rc;
}
