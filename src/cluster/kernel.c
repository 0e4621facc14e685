#include "cluster/kernel.h"

#include <math.h>
#include <string.h>

#include "strata/memory.h"

const strata_kernel *strata_kernel_find(const char *name)
{
    static const strata_kernel *const all[] = {
#if defined(__x86_64__)
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
    strata_screen screen = {.d = d};
    int64_t places = ((int64_t)k_max + 3) / 4 * 4;
    STRATA_TRY(strata_alloc(ctx, places * d, sizeof *screen.c, &screen.c));
    STRATA_TRY(strata_alloc(ctx, places, sizeof *screen.h, &screen.h));
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

void strata_screen_set(strata_screen *screen, const int32_t *centroids, int32_t k,
                       const float *origin, strata_screen_form form)
{
    const int32_t d = screen->d;
    screen->k = k;
    screen->form = form;
    for (int32_t f = 0; f < d; f++)
        screen->origin[f] = form == STRATA_SCREEN_DOT ? origin[f] : 0.0f;
    int64_t largest = 0;
    for (int32_t j = 0; j < k; j++) {
        int64_t norm = set_centroid(screen, j, centroids + (int64_t)j * d);
        largest = norm > largest ? norm : largest;
    }
    screen->reach = sqrt((double)largest) * (1 + 1e-9);
    strata_screen_finish(screen);
}

void strata_screen_finish(strata_screen *screen)
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
    double relative =
        screen->form == STRATA_SCREEN_DOT ? packing : packing + rounding + packing * rounding;
    screen->slope = (float)(1.02 * 2 * relative);
}

float strata_screen_offset(const strata_screen *screen, double radius)
{
    if (screen->form == STRATA_SCREEN_DIFFERENCE)
        return 1e-30f;
    double rounding = (screen->d + 4) * ldexp(1.0, -24) * (1 + 1e-4);
    double error = rounding * (0.5 * screen->reach * screen->reach + radius * screen->reach);
    return (float)(1.02 * 2 * error + 1e-30);
}
