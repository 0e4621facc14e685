#include "generate_model.h"

#include <string.h>

#include "strata/hash.h"

enum { SECONDS_A_DAY = 86400, MOST_ORDERS = 2000, MOST_LINES = 3, LONGEST_REFUND_DAYS = 30 };

/* Rounds of a user's random numbers; those of order i follow. */
enum { ROUND_WHO, ROUND_WHEN, ROUND_SPEND, ROUND_ORDERS, ROUND_FIRST_ORDER, ROUNDS_AN_ORDER = 4 };

/* A latent group: who its users are, in the terms of the default segment rules. */
typedef struct group {
    const char *name;
    double share;     /* of all users */
    double frequency; /* orders, relative to the mean over all users */
    double spend;     /* median: money a month if monthly, else of one order */
    bool monthly;
    double spend_sigma;              /* of its binary logarithm */
    int32_t last_low, last_high;     /* days from the last purchase to as_of */
    int32_t tenure_low, tenure_high; /* days from the first to the last purchase */
} group;

static const group groups[GENERATE_GROUPS] = {
    {"north_star", 0.05, 4.0, 950, true, 0.40, 1, 30, 90, 640},
    {"potential", 0.20, 1.9, 230, true, 0.42, 1, 88, 60, 600},
    {"reactivate", 0.15, 0.9, 330, false, 0.55, 88, 182, 200, 500},
    {"churn_risk", 0.60, 0.475, 45, false, 0.80, 366, 640, 0, 330},
};

/* ISO 3166 codes with a level of spending and a weight in the number of users. */
static const struct {
    char name[3];
    double level;
    int weight;
} regions[GENERATE_REGIONS] = {
    {"US", 1.20, 24}, {"GB", 1.05, 14}, {"DE", 1.10, 12}, {"JP", 1.15, 10}, {"BR", 0.70, 9},
    {"IN", 0.55, 11}, {"FR", 1.00, 8},  {"AU", 1.10, 5},  {"CA", 1.05, 5},  {"MX", 0.65, 6},
    {"ES", 0.90, 5},  {"IT", 0.95, 5},  {"KR", 1.05, 4},  {"NL", 1.10, 3},  {"SE", 1.15, 2},
    {"PL", 0.75, 4},  {"ID", 0.50, 5},  {"TH", 0.60, 3},  {"AE", 1.30, 2},  {"SG", 1.25, 1},
    {"ZA", 0.65, 2},  {"TR", 0.60, 3},  {"CH", 1.40, 1},  {"NO", 1.30, 1},
};

const char *generate_group_name(int32_t index)
{
    return groups[index].name;
}

const char *generate_region_name(int32_t region)
{
    return regions[region].name;
}

const char *generate_kind_name(int32_t kind)
{
    static const char *const names[GENERATE_KINDS] = {
        "purchase",       "refund",     "cancelled",  "dirty_columns", "dirty_quote",
        "dirty_encoding", "dirty_user", "dirty_time", "dirty_amount",  "dirty_order"};
    return names[kind];
}

/* ---- numbers --------------------------------------------------------------------------------- */

/* 64 random bits, given out in pieces. */
typedef struct draw {
    uint64_t bits;
} draw;

static draw draw_of(const generate_market *market, int64_t user, int64_t round)
{
    return (draw){
        strata_random_bits(market->seed, STRATA_RANDOM_GENERATE, (uint64_t)user, (uint64_t)round)};
}

/* A number in [0, n) from the next 16 bits, n <= 65536. */
static uint32_t take16(draw *d, uint32_t n)
{
    uint32_t piece = (uint32_t)(d->bits & 0xffff);
    d->bits >>= 16;
    return (uint32_t)((uint64_t)piece * n >> 16);
}

/* A number in [0, n) from the next 32 bits. */
static int64_t take32(draw *d, int64_t n)
{
    uint64_t piece = d->bits & UINT32_MAX;
    d->bits >>= 32;
    return (int64_t)((unsigned __int128)piece * (uint64_t)n >> 32);
}

/* Whether the next 16 bits say yes with this probability. */
static bool take_chance(draw *d, double probability)
{
    return take16(d, 65536) < probability * 65536;
}

/* Nearly normal with mean 0 and deviation 1: four bytes, summed. Bits 0..31. */
static double take_normal(draw *d)
{
    int sum = 0;
    for (int i = 0; i < 4; i++) {
        sum += (int)(d->bits & 255);
        d->bits >>= 8;
    }
    return (sum - 510) * (1 / 147.8); /* four uniform bytes: mean 510, deviation 147.8 */
}

/* 2^x, |x| < 30, in basic operations: libm's bits differ between processors. Error below 1e-5. */
static double power_of_two(double x)
{
    int whole = (int)(x < 0 ? x - 1 : x);
    double f = (x - whole) * 0.69314718055994531, scale = 1;
    for (int i = 0; i < whole; i++)
        scale *= 2;
    for (int i = 0; i > whole; i--)
        scale *= 0.5;
    return scale * (1 + f * (1 + f / 2 * (1 + f / 3 * (1 + f / 4 * (1 + f / 5 * (1 + f / 6))))));
}

/* ---- a user ---------------------------------------------------------------------------------- */

/* How a user buys. */
typedef struct habit {
    int64_t user, orders;
    int32_t group, region;
    int64_t first, last; /* seconds since start of the first and the last purchase */
    double order_value;  /* median, 10^-2 */
    double sigma;
} habit;

static int32_t choose_region(const generate_market *market, uint32_t ticket_of_65536)
{
    int total = 0, ticket = 0, region = 0;
    for (int32_t r = 0; r < market->regions; r++)
        total += regions[r].weight;
    ticket = (int)((uint64_t)ticket_of_65536 * (unsigned)total >> 16);
    for (; region + 1 < market->regions && ticket >= regions[region].weight; region++)
        ticket -= regions[region].weight;
    return region;
}

static int32_t choose_group(double ticket)
{
    int32_t g = 0;
    for (; g + 1 < GENERATE_GROUPS && ticket >= groups[g].share; g++)
        ticket -= groups[g].share;
    return g;
}

/* low..high days, scaled down when the window is shorter than the two years they are meant for. */
static int64_t choose_days(const generate_market *market, draw *d, int32_t low, int32_t high)
{
    const int64_t meant = 731, window = market->as_of - market->start;
    int64_t from = low, to = high;
    if (window < meant) {
        from = low * window / meant;
        to = high * window / meant;
    }
    return from + take32(d, to - from + 1);
}

static int64_t choose_orders(const generate_market *market, const group *g, draw *d)
{
    const double lines = market->full ? 1.5 : 1.0; /* rows an order has on average */
    double mean = market->rows_per_user / lines * g->frequency;
    double n =
        mean * 0.89 * power_of_two(0.7 * take_normal(d)); /* the mean of that factor is 1/0.89 */
    int64_t orders = (int64_t)(n + 0.5);
    return orders < 1 ? 1 : orders > MOST_ORDERS ? MOST_ORDERS : orders;
}

static habit habit_of(const generate_market *market, int64_t user)
{
    draw who = draw_of(market, user, ROUND_WHO), when = draw_of(market, user, ROUND_WHEN);
    draw spend = draw_of(market, user, ROUND_SPEND), often = draw_of(market, user, ROUND_ORDERS);
    habit h = {.user = user};
    h.group = choose_group((double)take32(&who, INT64_C(1) << 32) * 0x1p-32);
    h.region = choose_region(market, take16(&who, 65536));
    const group *g = &groups[h.group];
    int64_t window = market->as_of - market->start;
    int64_t last_day = window - choose_days(market, &when, g->last_low, g->last_high);
    last_day = last_day < 0 ? 0 : last_day > window - 1 ? window - 1 : last_day;
    int64_t first_day = last_day - choose_days(market, &when, g->tenure_low, g->tenure_high);
    first_day = first_day < 0 ? 0 : first_day;
    h.orders = choose_orders(market, g, &often);
    if (h.orders == 1)
        first_day = last_day;
    /* opening hours differ, but a day has 86400 seconds: 8:00 to 22:00 UTC */
    h.first = first_day * SECONDS_A_DAY + 28800 + take32(&often, 25200);
    h.last = last_day * SECONDS_A_DAY + 54000 + take16(&who, 25200);
    if (h.orders == 1)
        h.first = h.last;
    double money = 100 * g->spend * regions[h.region].level *
                   power_of_two(g->spend_sigma * take_normal(&spend));
    if (g->monthly) {
        double months = (double)(window - first_day) / 30;
        money *= (months < 1 ? 1 : months) / (double)h.orders;
    }
    h.order_value = money;
    h.sigma = g->monthly ? 0.5 : 0.8;
    return h;
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* Where the rows of a user go. */
typedef struct output {
    const generate_market *market;
    const habit *h;
    generate_row *rows;
    int64_t n;
    generate_user *truth;
} output;

static void put(output *out, int64_t second, generate_kind kind, int64_t order, int64_t amount,
                draw *look)
{
    generate_row *row = &out->rows[out->n];
    uint64_t user = (uint64_t)out->h->user;
    row->key[0] = __builtin_bswap64((uint64_t)second << 32 | user >> 32);
    row->key[1] = __builtin_bswap64(user << 32 | (uint64_t)out->n);
    row->amount = amount;
    row->order = (uint32_t)order;
    row->region = (uint16_t)out->h->region;
    row->kind = (uint8_t)kind;
    row->item = (uint8_t)(take16(look, GENERATE_ITEMS) |
                          (take_chance(look, out->market->quoted_share) ? 128 : 0));
    out->n++;
    out->truth->rows++;
    out->truth->kinds[kind]++;
}

/* Beside a row, sometimes, one that no reader should take. */
static void put_dirt(output *out, int64_t second, int64_t order, int64_t place, draw *chance)
{
    if (!take_chance(chance, out->market->dirty_share))
        return;
    int kinds =
        GENERATE_KINDS - GENERATE_DIRTY - !out->market->full; /* without order ids: one less */
    /* apart from the rounds of orders, which stay below 2^32 */
    draw look = draw_of(out->market, out->h->user, (INT64_C(1) << 32) + order * MOST_LINES + place);
    generate_kind kind = (generate_kind)(GENERATE_DIRTY + (int)take16(&look, (uint32_t)kinds));
    put(out, second, kind, order, 1 + take16(&look, 9999), &look);
}

/* One order over one or more rows, and what follows from it. */
static void put_order(output *out, int64_t order, int64_t second, int64_t amount)
{
    const generate_market *market = out->market;
    int64_t round = ROUND_FIRST_ORDER + order * ROUNDS_AN_ORDER;
    draw shape = draw_of(market, out->h->user, round + 1),
         look = draw_of(market, out->h->user, round + 2);
    draw after = draw_of(market, out->h->user, round + 3);
    uint32_t ticket = take16(&shape, 10);
    int64_t lines = !market->full || amount < 100 ? 1 : ticket < 6 ? 1 : ticket < 9 ? 2 : 3;
    for (int64_t line = 0; line < lines; line++) {
        int64_t part = amount * (line + 1) / lines - amount * line / lines;
        draw row_look = look;
        put(out, second, GENERATE_PURCHASE, order, part, &row_look);
        look.bits = look.bits >> 21 | look.bits << 43;
        put_dirt(out, second, order, line, &shape);
    }
    generate_user *truth = out->truth;
    truth->orders++;
    truth->monetary += amount;
    truth->largest = amount > truth->largest ? amount : truth->largest;
    const int64_t end = (int64_t)(market->as_of - market->start) * SECONDS_A_DAY - 1;
    if (take_chance(&after, market->refund_share)) {
        int64_t later = second + 3600 + (int64_t)take16(&after, 65536) * 38; /* within 29 days */
        int64_t back = take16(&after, 4) == 0 ? (amount + 1) / 2 : amount;
        put(out, later < end ? later : end, GENERATE_REFUND, order, -back, &look);
        truth->refunds++;
        truth->refunded += back;
        truth->monetary -= back;
    } else if (market->full && take_chance(&after, market->cancelled_share)) {
        int64_t later = second + 60 + take16(&after, 7200);
        put(out, later < end ? later : end, GENERATE_CANCELLED, order, -amount, &look);
        truth->cancelled++;
    }
}

int64_t generate_most_rows(const generate_market *market)
{
    (void)market; /* an order: its lines, dirt beside each, and a refund or a cancellation */
    return (int64_t)MOST_ORDERS * (2 * MOST_LINES + 1);
}

void generate_user_rows(const generate_market *market, int64_t user, generate_row *rows, int64_t *n,
                        generate_user *truth)
{
    const habit h = habit_of(market, user);
    output out = {.market = market, .h = &h, .rows = rows, .truth = truth};
    *truth = (generate_user){.group = h.group, .region = h.region};
    for (int64_t i = 0; i < h.orders; i++) {
        draw d = draw_of(market, user, ROUND_FIRST_ORDER + i * ROUNDS_AN_ORDER);
        double value = h.order_value * power_of_two(h.sigma * take_normal(&d));
        int64_t amount = value > 1e11 ? INT64_C(100000000000) : (int64_t)value + 1, second = h.last;
        if (i + 1 < h.orders) { /* evenly between first and last, moved by up to half a step */
            int64_t span = h.last - h.first, step = span / (h.orders - 1);
            second = h.first + span * i / (h.orders - 1);
            if (i > 0 && step > 1)
                second += take32(&d, step) - step / 2;
        }
        int32_t day = market->start + (int32_t)(second / SECONDS_A_DAY);
        truth->first_day = i == 0 ? day : truth->first_day;
        truth->last_day = day;
        put_order(&out, i, second, amount);
    }
    *n = out.n;
}
