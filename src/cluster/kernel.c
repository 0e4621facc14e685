#include "cluster/kernel.h"

#include <math.h>
#include <string.h>

#include "strata/memory.h"

const strata_kernel *strata_kernel_find(const char *name)
{
    static const strata_kernel *const all[] = {
#if defined(__x86_64__)
        &strata_kernel_avx512vnni,
        &strata_kernel_avx512,
        &strata_kernel_avx2,
#endif
        &strata_kernel_plain
    };
    bool any = !name || strcmp(name, "auto") == 0;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if ((any || strcmp(name, all[i]->name) == 0) && all[i]->usable())
            return all[i];
    return NULL;
}

strata_status strata_screen_init(strata_context *ctx, int32_t k_max, int32_t d, strata_screen *out)
{
    strata_status rc = STRATA_OK;
    strata_screen screen = {.d = d, .coarse.pairs = (d + 1) / 2};
    int64_t places = ((int64_t)k_max + 3) / 4 * 4;
    STRATA_TRY(strata_alloc(ctx, places * d, sizeof *screen.c, &screen.c));
    STRATA_TRY(strata_alloc(ctx, places, sizeof *screen.h, &screen.h));
    STRATA_TRY(
        strata_alloc(ctx, places * screen.coarse.pairs, sizeof *screen.coarse.q, &screen.coarse.q));
    STRATA_TRY(strata_alloc(ctx, places, sizeof *screen.coarse.h, &screen.coarse.h));
    STRATA_TRY(
        strata_alloc(ctx, (places + 7) / 8 * 8 * (int64_t)d, sizeof *screen.exact, &screen.exact));
    *out = screen;
    screen = (strata_screen){0};
done:
    strata_screen_release(&screen);
    return rc;
}

void strata_screen_release(strata_screen *screen)
{
    strata_free(&screen->c);
    strata_free(&screen->h);
    strata_free(&screen->coarse.q);
    strata_free(&screen->coarse.h);
    strata_free(&screen->exact);
}

/* |c'|^2, exact: |c'| < 2^26 in each of at most 64 features */
static int64_t set_centroid(strata_screen *s, int32_t j, const int32_t *centroid)
{
    int64_t norm = 0;
    float *to = s->c + (int64_t)(j / 4) * 4 * s->d + j % 4;
    for (int32_t f = 0; f < s->d; f++) {
        int64_t value = (int64_t)centroid[f] - (int64_t)s->origin[f];
        to[4 * f] = (float)value;
        norm += value * value;
    }
    s->h[j] = (float)(0.5 * (double)norm);
    return norm;
}

/* Surplus places are 2^29 away in the first feature, farther than anything on the grid with 64
 * features. */
static void set_exact(strata_screen *s, const int32_t *centroids)
{
    s->width = (s->k + 7) / 8 * 8;
    for (int32_t f = 0; f < s->d; f++)
        for (int32_t j = 0; j < s->width; j++)
            s->exact[(int64_t)f * s->width + j] = j < s->k ? centroids[(int64_t)j * s->d + f]
                                                  : f == 0 ? INT64_C(1) << 29
                                                           : 0;
}

/* The largest length of p and q: with the errors, p.q and h stay within 31 bits. */
static const double coarse_length = 32000;

/* Leading bits of an origin in the coarse form; its scale has the others of a float, so that their
 * product is exact. */
enum { COARSE_ORIGIN_BITS = 16 };

static void set_coarse(strata_screen *s, const int32_t *centroids)
{
    strata_coarse *c = &s->coarse;
    const double scale = coarse_length / s->reach;
    double worst = 0;
    c->scale = scale;
    for (int32_t j = 0; j < (s->k + 3) / 4 * 4; j++) {
        int32_t *to = c->q + (int64_t)(j / 4) * 4 * c->pairs + j % 4;
        double error = 0, norm = 0;
        for (int32_t pair = 0; pair < c->pairs; pair++)
            to[4 * pair] = 0;
        for (int32_t f = 0; f < s->d && j < s->k; f++) {
            const double value = (double)centroids[(int64_t)j * s->d + f] - (double)s->origin[f];
            const double exact = scale * value, q = rint(exact);
            const uint32_t half = (uint32_t) - (int32_t)q & 0xffff;
            uint32_t word = (uint32_t)to[4 * (f / 2)] | half << (16 * (f % 2));
            to[4 * (f / 2)] = (int32_t)word;
            error += (q - exact) * (q - exact);
            norm += q * q;
        }
        c->h[j] = 0.5 * norm / scale;
        worst = error > worst ? error : worst;
    }
    c->error = sqrt(worst) * (1 + 1e-6) + 1e-6; /* exact is off by less than 1e-11 */
}

/* The part of a value that its leading bits hold. */
static double leading(double value, int bits)
{
    int exponent;
    const double fraction = frexp(value, &exponent);
    return ldexp(trunc(ldexp(fraction, bits)), exponent - bits);
}

void strata_screen_coarse_tile(const strata_screen *s, double radius, strata_coarse_tile *out)
{
    const double far = radius + s->shift;
    const double larger = far > s->reach ? far : s->reach, above = 1 + 1e-5;
    const int32_t surplus = INT32_MAX & ~(int32_t)s->index_mask;
    /* a little less than a, so that a R is no more than L, and a o is exact as a float */
    out->scale = (float)leading(coarse_length / larger * (1 - 1e-6), 24 - COARSE_ORIGIN_BITS);
    for (int32_t f = 0; f < s->d; f++)
        out->origin[f] = out->scale * s->origin[f];
    const double a = (double)out->scale, b = s->coarse.scale, index = s->index_mask + 1.0;
    const double point = sqrt(s->d) * (0.5 + 0x1p-8) * (1 + 1e-9);
    const double blur = 0.5 * sqrt(s->d) * (1 + 1e-9);
    const double error = point / a + s->coarse.error / b + blur;
    const double square = coarse_length * coarse_length;
    out->of_best = (float)(2 / (a * b));
    out->of_norm = (float)(1 / (a * a));
    out->off = (float)(above * ((3.2 / (a * b) + 1.1 / (a * a)) * square * 0x1p-21 +
                                (index + 1) * 2 / (a * b)));
    out->slope = (float)(above * 2 * a * b * error);
    out->offset = (float)(above * (2 * a * b * error * error + 2 * index + 2));
    for (int32_t j = 0; j < (s->k + 3) / 4 * 4; j++)
        out->h[j] = j < s->k ? (int32_t)rint(a * s->coarse.h[j]) : surplus;
}

/* The share of D_1 in the difference form, for means between the steps. */
static const double between = 0x1p-11;

/* Surplus places, and what follows from k alone. */
static void finish(strata_screen *screen)
{
    const int32_t d = screen->d, k = screen->k;
    for (int32_t j = k; j % 4 != 0; j++) { /* surplus places: 1e36 away in both forms */
        for (int32_t f = 0; f < d; f++)
            screen->c[(int64_t)(j / 4) * 4 * d + 4 * f + j % 4] =
                screen->form == STRATA_SCREEN_DIFFERENCE && f == 0 ? 1e18f : 0.0f;
        screen->h[j] = 1e36f;
    }
    int bits = 0;
    while ((1 << bits) < (k + 3) / 4 * 4)
        bits++;
    screen->index_mask = (1u << bits) - 1;
    double packing = ldexp(1.0, bits - 23), rounding = (d + 4) * ldexp(1.0, -24) * (1 + 1e-4);
    double relative = screen->form == STRATA_SCREEN_DIFFERENCE
                          ? packing + rounding + packing * rounding
                          : packing;
    if (screen->form == STRATA_SCREEN_DIFFERENCE)
        relative += 0.5 * between;
    screen->slope = (float)(1.02 * 2 * relative);
}

static float origin_of(const strata_screen *s, float first, float given)
{
    switch (s->form) {
    case STRATA_SCREEN_DIFFERENCE:
        return 0.0f;
    case STRATA_SCREEN_COARSE:
        return (float)leading((double)given, COARSE_ORIGIN_BITS);
    default:
        return s->known ? first : given;
    }
}

static void set_origin(strata_screen *s, const int32_t *first, const float *origin)
{
    double shift = 0;
    s->known = s->form == STRATA_SCREEN_DOT && s->d <= STRATA_SCREEN_SMALL;
    for (int32_t f = 0; f < s->d; f++) {
        s->origin[f] = origin_of(s, (float)first[f], origin[f]);
        const double moved = (double)s->origin[f] - (double)origin[f];
        shift += moved * moved;
    }
    s->shift = sqrt(shift) * (1 + 1e-9);
}

void strata_screen_set(strata_screen *screen, const int32_t *centroids, const int32_t *rest,
                       int32_t k, const float *origin, strata_screen_form form)
{
    const int32_t d = screen->d;
    screen->centroids = centroids;
    screen->rest = rest;
    screen->k = k;
    screen->form = form;
    set_origin(screen, centroids, origin);
    int64_t largest = 0;
    for (int32_t j = 0; j < k; j++) {
        int64_t norm = set_centroid(screen, j, centroids + (int64_t)j * d);
        largest = norm > largest ? norm : largest;
    }
    screen->reach = sqrt((double)largest) * (1 + 1e-9);
    if (form == STRATA_SCREEN_COARSE && largest == 0)
        screen->form = STRATA_SCREEN_DOT;
    finish(screen);
    set_exact(screen, centroids);
    if (screen->form == STRATA_SCREEN_COARSE)
        set_coarse(screen, centroids);
}

float strata_screen_offset(const strata_screen *screen, double radius)
{
    if (screen->form == STRATA_SCREEN_DIFFERENCE)
        return (float)(1.02 * screen->d * (1 / between + 1));
    double rounding = (screen->d + 4) * ldexp(1.0, -24) * (1 + 1e-4);
    double error =
        rounding * (0.5 * screen->reach * screen->reach + (radius + screen->shift) * screen->reach);
    double blur = 1.5 * sqrt(screen->d) * (radius + screen->shift + screen->reach);
    return (float)(1.02 * (2 * error + blur) + 1e-30);
}
