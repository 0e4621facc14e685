#include "strata/memory.h"
#include "strata/par.h"
#include "strata/stats.h"
#include "stats/quad.h"

static void cell_add(strata_cell *cell, int64_t x)
{
    unsigned __int128 square = (unsigned __int128)((__int128)x * x);
    unsigned __int128 low =
        ((unsigned __int128)cell->squares.limb[1] << 64 | cell->squares.limb[0]) + square;
    cell->n++;
    cell->sum += x;
    cell->squares.limb[0] = (uint64_t)low;
    cell->squares.limb[1] = (uint64_t)(low >> 64);
    cell->squares.limb[2] += low < square; /* 2^40 squares of 2^126 stay below 2^192 */
}

void strata_cells_add_local(strata_cell *cells, const int16_t *group, const int64_t *x,
                            int64_t n_local)
{
    for (int64_t i = 0; i < n_local; i++) {
        int16_t g = group ? group[i] : 0;
        if (g >= 0)
            cell_add(&cells[g], x[i]);
    }
}

void strata_cell_merge(strata_cell *into, const strata_cell *cell)
{
    into->n += cell->n;
    into->sum += cell->sum;
    into->squares = wide_add(into->squares, cell->squares);
}

/* On the wire a cell is n, 4 limbs of the sum and 8 of the squares, 32 bits each: their sums over
 * up to 2^31 ranks fit, and carries are settled afterwards. */
enum { SUM_LIMBS = 4, SQUARE_LIMBS = 8, WIRE = 1 + SUM_LIMBS + SQUARE_LIMBS };

static void pack(const strata_cell *cell, int64_t *wire)
{
    *wire++ = cell->n;
    for (int i = 0; i < SUM_LIMBS; i++)
        *wire++ = (int64_t)(uint32_t)((unsigned __int128)cell->sum >> (32 * i));
    for (int i = 0; i < SQUARE_LIMBS; i++)
        *wire++ = (int64_t)(uint32_t)(cell->squares.limb[i / 2] >> (32 * (i % 2)));
}

static void unpack(const int64_t *wire, strata_cell *cell)
{
    cell->n = *wire++;
    unsigned __int128 sum = 0;
    for (int i = 0; i < SUM_LIMBS; i++)
        sum += (unsigned __int128)*wire++ << (32 * i);
    cell->sum = (__int128)sum;
    unsigned __int128 carry = 0;
    for (int i = 0; i < SQUARE_LIMBS / 2; i++) {
        carry += (unsigned __int128)wire[0] + ((unsigned __int128)wire[1] << 32);
        wire += 2;
        cell->squares.limb[i] = (uint64_t)carry;
        carry >>= 64;
    }
}

strata_status strata_cells_reduce(strata_context *ctx, strata_cell *cells, int64_t count)
{
    strata_status rc = STRATA_OK;
    int64_t *wire = NULL;
    STRATA_AGREE(ctx, strata_alloc(ctx, count, WIRE * (int64_t)sizeof *wire, &wire));
    for (int64_t i = 0; i < count; i++)
        pack(&cells[i], wire + i * WIRE);
    STRATA_TRY(strata_par_allreduce_i64(ctx, wire, count * WIRE, STRATA_SUM));
    for (int64_t i = 0; i < count; i++)
        unpack(wire + i * WIRE, &cells[i]);
done:
    strata_free(&wire);
    return rc;
}

double strata_cell_mean(const strata_cell *cell)
{
    return cell->n > 0 ? (double)cell_mean(cell) : NAN;
}

double strata_cell_variance(const strata_cell *cell)
{
    return cell->n > 1 ? (double)cell_variance(cell) : NAN;
}

double strata_cell_deviation(const strata_cell *cell)
{
    return cell->n > 0 ? (double)sqrtf128(cell_sum_of_squares(cell) / (quad)cell->n) : NAN;
}
