/* exchange.h: the exchange with its round size open, for the tests and for callers inside the room. */
#ifndef STRATA_PAR_EXCHANGE_H
#define STRATA_PAR_EXCHANGE_H

#include "strata/par.h"

typedef struct strata_exchange {
    const void *send;           /* records for rank 0, then rank 1, ... ; borrowed */
    const int64_t *send_counts; /* [size], borrowed */
    int64_t record_size, round_bytes;
    void *received; /* out: owned by the caller */
    int64_t n_received;
    int64_t *receive_counts; /* out: [size], owned by the caller */
} strata_exchange;

/* Collective. The outputs are set on success only. */
strata_status strata_exchange_run(strata_context *ctx, strata_exchange *exchange) STRATA_MUST_USE;

#endif
