/* pseudonym.h: the parts of a pseudonymiser that need no other rank. The collective create in the par
 * room puts them together. Nothing here is collective. */
#ifndef STRATA_BASE_PSEUDONYM_H
#define STRATA_BASE_PSEUDONYM_H

#include "strata/hash.h"

enum {
    STRATA_SECRET_MIN = 32, /* bytes of a key file */
    STRATA_SECRET_MAX = 4096,
    STRATA_KEY_MAX = 64,  /* bytes of a BLAKE2b key */
    STRATA_TOKEN_KEY = 16 /* bytes of a SipHash key */
};

/* The BLAKE2b key as it travels between ranks; plain data, to be wiped. */
typedef struct strata_key {
    int32_t length; /* 0 in plain mode */
    uint8_t bytes[STRATA_KEY_MAX];
    uint8_t token[STRATA_TOKEN_KEY]; /* made from bytes when the pseudonymiser is */
} strata_key;

/* Room for one strata_key that is locked into memory where the system allows it. Freed by
 * strata_key_free, which wipes it. */
strata_status strata_key_new(strata_context *ctx, strata_key **out) STRATA_MUST_USE;
void strata_key_free(strata_key **key);

/* Reads a key file; STRATA_ERR_USAGE with the way to make one. */
strata_status strata_key_read(strata_context *ctx, const char *path,
                              strata_key *key) STRATA_MUST_USE;

/* Takes the key over (*key becomes NULL). From here on the process writes no core dump. */
strata_status strata_pseudonymiser_from_key(strata_context *ctx, strata_key **key,
                                            strata_pseudonymiser **out) STRATA_MUST_USE;

#endif
