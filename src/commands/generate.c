/* generate: synthetic overseas transactions with known truth. Each row is a function of the options, the
 * seed and its user alone (generate_model.h), so that any number of ranks writes the same bytes. */
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "generate_file.h"
#include "generate_model.h"
#include "outputs.h"

#include "strata/dates.h"
#include "strata/io.h"
#include "strata/memory.h"
#include "strata/money.h"
#include "strata/par.h"
#include "strata/text.h"

/* Users a rank makes between two writes, and rows a rank holds at once while it sorts by time (about
 * 250 bytes each). Neither changes the result. */
static const int64_t users_a_round = 8192, rows_at_once = 6000000;

/* What the whole log holds; summed over ranks as int64. */
typedef struct totals {
    int64_t rows, users, orders, monetary, refunded;
    int64_t kinds[GENERATE_KINDS], groups[GENERATE_GROUPS];
} totals;

/* One job and its working memory. */
typedef struct job {
    generate_market market;
    bool by_time;
    const char *path, *truth_path; /* truth_path NULL = none */
    char *made_path;               /* owned: the truth path made from path */
    generate_file log, truth;
    generate_row *rows;      /* of one user */
    char *text, *truth_text; /* one round of both files */
    int64_t text_room, truth_room;
    totals totals;
} job;

static const strata_option options[] = {
    {"--users", 0, STRATA_OPTION_INT64, "N", "number of users", .low = 1, .high = 1e12,
     .required = true},
    {"--output", 'o', STRATA_OPTION_TEXT, "PATH", "the file to write", .required = true},
    {"--seed", 0, STRATA_OPTION_UINT64, "N", "another seed, another market (default 1)"},
    {"--format", 0, STRATA_OPTION_WORD, "F", "file format: csv", .words = "csv|h5"},
    {"--layout", 0, STRATA_OPTION_WORD, "L",
     "full: all columns, orders of several rows (default); minimal: user_id,order_date,amount, "
     "each "
     "row an order",
     .words = "full|minimal"},
    {"--order", 0, STRATA_OPTION_WORD, "O",
     "time: as a log grows (default); user: one user after the other, faster",
     .words = "time|user"},
    {"--regions", 0, STRATA_OPTION_INT64, "R", "number of regions (default 8)", .low = 1,
     .high = GENERATE_REGIONS},
    {"--rows-per-user", 0, STRATA_OPTION_DOUBLE, "X", "about so many rows a user (default 10)",
     .low = 1, .high = 500},
    {"--refund-share", 0, STRATA_OPTION_DOUBLE, "P",
     "orders that are refunded later (default 0.02)", .low = 0, .high = 1},
    {"--cancelled-share", 0, STRATA_OPTION_DOUBLE, "P",
     "orders with a cancellation C... (default 0.01; full layout only)", .low = 0, .high = 1},
    {"--quoted-share", 0, STRATA_OPTION_DOUBLE, "P", "rows with a quoted user id (default 0.05)",
     .low = 0, .high = 1},
    {"--dirty-share", 0, STRATA_OPTION_DOUBLE, "P",
     "unreadable rows added, as a share of the purchases (default 0)", .low = 0, .high = 1},
    {"--start", 0, STRATA_OPTION_TEXT, "DAY", "first day (default 2023-01-01)"},
    {"--as-of", 0, STRATA_OPTION_TEXT, "DAY", "the day after the last (default 2025-01-01)"},
    {"--truth", 0, STRATA_OPTION_TEXT, "FILE",
     "what is true of each user (default PATH.truth.csv)"},
    {"--no-truth", 0, STRATA_OPTION_FLAG, NULL, "do not write that file"},
    {"--json", 0, STRATA_OPTION_TEXT, "FILE", "write the totals as JSON"},
    {"--force", 0, STRATA_OPTION_FLAG, NULL, "replace existing files"},
    {0},
};

/* ---- the options ----------------------------------------------------------------------------- */

static strata_status day_option(strata_context *ctx, const strata_command_line *line,
                                const char *name, const char *fallback, int32_t *out)
{
    const char *text = strata_option_text(line, name, fallback);
    if (strata_day_parse(text, out))
        return STRATA_OK;
    return strata_context_fail(ctx, STRATA_ERR_USAGE, __FILE__, __LINE__,
                               "%s %s: not a day such as %s, from 1900 to 2199", name, text,
                               fallback);
}

static strata_status read_market(strata_context *ctx, const strata_command_line *line,
                                 generate_market *out)
{
    const int32_t longest_window = 40000; /* seconds of the window fit 32 bits */
    strata_status rc = STRATA_OK;
    generate_market m = {
        .users = strata_option_int64(line, "--users", 0),
        .seed = strata_option_uint64(line, "--seed", 1),
        .regions = (int32_t)strata_option_int64(line, "--regions", 8),
        .full = strcmp(strata_option_text(line, "--layout", "full"), "full") == 0,
        .rows_per_user = strata_option_double(line, "--rows-per-user", 10),
        .refund_share = strata_option_double(line, "--refund-share", 0.02),
        .cancelled_share = strata_option_double(line, "--cancelled-share", 0.01),
        .dirty_share = strata_option_double(line, "--dirty-share", 0),
        .quoted_share = strata_option_double(line, "--quoted-share", 0.05),
        .user_digits = 7,
    };
    STRATA_TRY(day_option(ctx, line, "--start", "2023-01-01", &m.start));
    STRATA_TRY(day_option(ctx, line, "--as-of", "2025-01-01", &m.as_of));
    if (m.as_of <= m.start || m.as_of - m.start > longest_window)
        STRATA_FAIL(ctx, STRATA_ERR_USAGE, "--as-of must come after --start, by at most %d days",
                    longest_window);
    while (m.users > strata_power_of_ten(m.user_digits))
        m.user_digits++;
    *out = m;
done:
    return rc;
}

/* log.csv -> log.truth.csv */
static strata_status make_truth_path(strata_context *ctx, job *j)
{
    strata_status rc = STRATA_OK;
    strata_text name = {0};
    size_t n = strlen(j->path);
    if (n > 4 && strcmp(j->path + n - 4, ".csv") == 0)
        n -= 4;
    STRATA_TRY(strata_text_addf(ctx, &name, "%.*s.truth.csv", (int)n, j->path));
    j->truth_path = j->made_path = name.bytes;
    name.bytes = NULL;
done:
    strata_free(&name.bytes);
    return rc;
}

static strata_status prepare(strata_context *ctx, const strata_command_line *line, job *j)
{
    strata_status rc = STRATA_OK;
    STRATA_TRY(read_market(ctx, line, &j->market));
    if (strcmp(strata_option_text(line, "--format", "csv"), "csv") != 0)
        STRATA_FAIL(ctx, STRATA_ERR_USAGE,
                    "--format h5: transactions are written as csv only; "
                    "features in HDF5 come from strata run");
    j->by_time = strcmp(strata_option_text(line, "--order", "time"), "time") == 0;
    j->path = strata_option_text(line, "--output", NULL);
    j->truth_path = strata_option_text(line, "--truth", NULL);
    bool no_truth = strata_option_flag(line, "--no-truth");
    if (no_truth && j->truth_path)
        STRATA_FAIL(ctx, STRATA_ERR_USAGE, "--truth and --no-truth contradict each other");
    if (!no_truth && !j->truth_path)
        STRATA_TRY(make_truth_path(ctx, j));
    const char *json = strata_option_text(line, "--json", NULL);
    if (json && !strata_option_flag(line, "--force") && access(json, F_OK) == 0)
        STRATA_FAIL(ctx, STRATA_ERR_USAGE, "%s: exists already; --force replaces it", json);
    STRATA_TRY(strata_alloc(ctx, generate_most_rows(&j->market), sizeof *j->rows, &j->rows));
done:
    return rc;
}

static strata_status check_files(strata_context *ctx, const strata_command_line *line,
                                 const job *j)
{
    const output_file outputs[] = {
        {"--output", j->path, OUTPUT_REPLACED},
        {"--truth", j->truth_path, OUTPUT_REPLACED},
        {"--json", strata_option_text(line, "--json", NULL), OUTPUT_REPLACED}};
    return check_outputs(ctx, line, NULL, outputs, sizeof outputs / sizeof *outputs);
}

/* ---- the two passes -------------------------------------------------------------------------- */

static void count_user(totals *t, const generate_user *user)
{
    t->users++;
    t->rows += user->rows;
    t->orders += user->orders;
    t->monetary += user->monetary;
    t->refunded += user->refunded;
    t->groups[user->group]++;
    for (int kind = 0; kind < GENERATE_KINDS; kind++)
        t->kinds[kind] += user->kinds[kind];
}

/* Room for n more lines behind length bytes. */
static strata_status make_room(strata_context *ctx, char **text, int64_t *room, int64_t length,
                               int64_t n)
{
    return strata_reserve(ctx, text, room, length + n * GENERATE_LINE, 1);
}

/* Makes the users [first, end): their truth, and in order of users also their rows. */
static strata_status make_users(strata_context *ctx, job *j, int64_t first, int64_t end,
                                int64_t lengths[2])
{
    strata_status rc = STRATA_OK;
    lengths[0] = lengths[1] = 0;
    for (int64_t user = first; user < end; user++) {
        generate_user truth;
        int64_t n = 0;
        generate_user_rows(&j->market, user, j->rows, &n, &truth);
        count_user(&j->totals, &truth);
        if (j->truth_path) {
            STRATA_TRY(make_room(ctx, &j->truth_text, &j->truth_room, lengths[1], 1));
            char *to = j->truth_text + lengths[1];
            lengths[1] = generate_truth_line(&j->market, user, &truth, to) - j->truth_text;
        }
        if (j->by_time)
            continue;
        STRATA_TRY(make_room(ctx, &j->text, &j->text_room, lengths[0], n));
        char *to = j->text + lengths[0];
        for (int64_t i = 0; i < n; i++)
            to = generate_line(&j->market, &j->rows[i], to);
        lengths[0] = to - j->text;
    }
done:
    return rc;
}

/* Collective. Rounds of users, each rank a part of the round: truth, totals and the log by user. */
static strata_status pass_users(strata_context *ctx, job *j)
{
    strata_status rc = STRATA_OK;
    const int64_t users = j->market.users;
    int64_t part = users / ctx->size + 1 < users_a_round ? users / ctx->size + 1 : users_a_round;
    for (int64_t base = 0; base < users; base += part * ctx->size) {
        int64_t first = base + part * ctx->rank, lengths[2] = {0, 0};
        first = first < users ? first : users;
        int64_t end = users - first < part ? users : first + part;
        strata_status local = make_users(ctx, j, first, end, lengths);
        STRATA_TRY(generate_file_put(ctx, &j->truth, local, j->truth_text, lengths[1]));
        STRATA_TRY(generate_file_put(ctx, &j->log, local, j->text, lengths[0]));
        strata_progress(ctx, "generate", (double)base / (double)users, NULL);
    }
    STRATA_TRY(strata_par_allreduce_i64(ctx, (int64_t *)&j->totals,
                                        (int64_t)(sizeof j->totals / sizeof(int64_t)), STRATA_SUM));
done:
    return rc;
}

/* The rows of this rank's users whose second is in [from, to). */
static strata_status collect(strata_context *ctx, job *j, uint64_t from, uint64_t to,
                             generate_row **out, int64_t *n_out)
{
    strata_status rc = STRATA_OK;
    generate_row *kept = NULL;
    int64_t n_kept = 0, room = 0;
    int64_t first = (int64_t)((__int128)j->market.users * ctx->rank / ctx->size);
    int64_t end = (int64_t)((__int128)j->market.users * (ctx->rank + 1) / ctx->size);
    for (int64_t user = first; user < end; user++) {
        generate_user truth;
        int64_t n = 0;
        generate_user_rows(&j->market, user, j->rows, &n, &truth);
        STRATA_TRY(strata_reserve(ctx, &kept, &room, n_kept + n, sizeof *kept));
        for (int64_t i = 0; i < n; i++) {
            uint64_t second = __builtin_bswap64(j->rows[i].key[0]) >> 32;
            if (second >= from && second < to)
                kept[n_kept++] = j->rows[i];
        }
    }
    *out = kept;
    *n_out = n_kept;
    kept = NULL;
done:
    strata_free(&kept);
    return rc;
}

static strata_status make_lines(strata_context *ctx, job *j, const generate_row *rows, int64_t n,
                                int64_t *length)
{
    strata_status rc = STRATA_OK;
    const int64_t step = 4096;
    *length = 0;
    for (int64_t i = 0; i < n; i++) {
        if (i % step == 0)
            STRATA_TRY(make_room(ctx, &j->text, &j->text_room, *length, step));
        *length = generate_line(&j->market, &rows[i], j->text + *length) - j->text;
    }
done:
    return rc;
}

/* Collective. The log by time: the window in slices whose rows fit the ranks' memory, each sorted. */
static strata_status pass_time(strata_context *ctx, job *j)
{
    strata_status rc = STRATA_OK;
    generate_row *mine = NULL, *sorted = NULL;
    strata_partition partition = {0};
    const int64_t seconds = (int64_t)(j->market.as_of - j->market.start) * 86400;
    int64_t slices = j->totals.rows / (rows_at_once * ctx->size) + 1;
    for (int64_t s = 0; s < slices; s++) {
        int64_t n = 0, length = 0;
        uint64_t from = (uint64_t)(seconds * s / slices),
                 to = (uint64_t)(seconds * (s + 1) / slices);
        strata_progress(ctx, "generate by time", (double)s / (double)slices, NULL);
        STRATA_AGREE(ctx, collect(ctx, j, from, to, &mine, &n));
        STRATA_TRY(strata_par_sort_records(ctx, mine, n, sizeof *mine, sizeof mine->key, &sorted,
                                           &partition));
        strata_free(&mine);
        strata_status local =
            make_lines(ctx, j, sorted, strata_partition_local(&partition, ctx->rank), &length);
        STRATA_TRY(generate_file_put(ctx, &j->log, local, j->text, length));
        strata_partition_release(&partition);
        strata_free(&sorted);
    }
done:
    strata_partition_release(&partition);
    strata_free(&sorted);
    strata_free(&mine);
    return rc;
}

/* ---- the report ------------------------------------------------------------------------------ */

static strata_status summary_json(strata_context *ctx, const job *j, strata_text *text)
{
    strata_status rc = STRATA_OK;
    const totals *t = &j->totals;
    char money[2][40];
    STRATA_TRY(strata_text_addf(ctx, text, "{\"file\": "));
    STRATA_TRY(strata_text_add_json(ctx, text, j->path));
    STRATA_TRY(
        strata_text_addf(ctx, text,
                         ", \"bytes\": %lld, \"users\": %lld, \"rows\": %lld, \"orders\": %lld, "
                         "\"monetary\": \"%s\", \"refunded\": \"%s\", \"rows_by_kind\": {",
                         (long long)j->log.bytes, (long long)t->users, (long long)t->rows,
                         (long long)t->orders, strata_money_format(t->monetary, 2, false, money[0]),
                         strata_money_format(t->refunded, 2, false, money[1])));
    for (int kind = 0; kind < GENERATE_KINDS; kind++)
        STRATA_TRY(strata_text_addf(ctx, text, "%s\"%s\": %lld", kind ? ", " : "",
                                    generate_kind_name(kind), (long long)t->kinds[kind]));
    STRATA_TRY(strata_text_addf(ctx, text, "}, \"users_by_group\": {"));
    for (int g = 0; g < GENERATE_GROUPS; g++)
        STRATA_TRY(strata_text_addf(ctx, text, "%s\"%s\": %lld", g ? ", " : "",
                                    generate_group_name(g), (long long)t->groups[g]));
    STRATA_TRY(strata_text_addf(ctx, text, "}}\n"));
done:
    return rc;
}

static strata_status write_json(strata_context *ctx, const job *j, const char *path, bool force)
{
    strata_status rc = STRATA_OK;
    strata_text text = {0}, name = {0};
    int fd = -1;
    STRATA_TRY(summary_json(ctx, j, &text));
    STRATA_TRY(strata_text_addf(ctx, &name, "%s.partial-%ld", path, (long)getpid()));
    STRATA_TRY(strata_io_create(ctx, name.bytes, &fd));
    STRATA_TRY(strata_io_write(ctx, fd, path, text.bytes, text.length));
    STRATA_TRY(strata_io_close(ctx, &fd, path));
    STRATA_TRY(force ? strata_io_rename(ctx, name.bytes, path)
                     : strata_io_rename_new(ctx, name.bytes, path));
done:
    if (fd >= 0)
        close(fd);
    if (rc != STRATA_OK && name.bytes)
        unlink(name.bytes);
    strata_free(&name.bytes);
    strata_free(&text.bytes);
    return rc;
}

static void print_summary(const job *j, double seconds)
{
    const totals *t = &j->totals;
    char money[40];
    printf("%s: %lld rows, %lld bytes, in %.1f s\n", j->path, (long long)t->rows,
           (long long)j->log.bytes, seconds);
    printf("  users %lld:", (long long)t->users);
    for (int g = 0; g < GENERATE_GROUPS; g++)
        printf(" %s %lld", generate_group_name(g), (long long)t->groups[g]);
    printf("\n  orders %lld, net money %s", (long long)t->orders,
           strata_money_format(t->monetary, 2, true, money));
    printf(", refunded %s\n  rows:", strata_money_format(t->refunded, 2, true, money));
    for (int kind = 0; kind < GENERATE_KINDS; kind++)
        if (kind < GENERATE_DIRTY || t->kinds[kind] > 0)
            printf(" %s %lld", generate_kind_name(kind), (long long)t->kinds[kind]);
    printf("\n");
    if (j->truth_path)
        printf("  truth: %s (cancelled orders left out, refunds netted)\n", j->truth_path);
}

static strata_status write_headers(strata_context *ctx, job *j)
{
    strata_status rc = STRATA_OK;
    char header[GENERATE_LINE];
    int64_t n = generate_header(&j->market, header) - header;
    STRATA_TRY(generate_file_put(ctx, &j->log, STRATA_OK, header, ctx->rank == 0 ? n : 0));
    n = generate_truth_header(header) - header;
    STRATA_TRY(generate_file_put(ctx, &j->truth, STRATA_OK, header, ctx->rank == 0 ? n : 0));
done:
    return rc;
}

static strata_status run(strata_context *ctx, const strata_command_line *line)
{
    strata_status rc = STRATA_OK;
    const bool force = strata_option_flag(line, "--force");
    const char *json = strata_option_text(line, "--json", NULL);
    const double begin = strata_now();
    job j = {.log = {.fd = -1}, .truth = {.fd = -1}};
    STRATA_AGREE(ctx, prepare(ctx, line, &j));
    STRATA_TRY(check_files(ctx, line, &j));
    STRATA_TRY(generate_file_open(ctx, j.path, force, &j.log));
    if (j.truth_path)
        STRATA_TRY(generate_file_open(ctx, j.truth_path, force, &j.truth));
    STRATA_TRY(write_headers(ctx, &j));
    STRATA_TRY(pass_users(ctx, &j));
    if (j.by_time)
        STRATA_TRY(pass_time(ctx, &j));
    STRATA_TRY(generate_file_settle(ctx, &j.truth)); /* no name before all is on the disk */
    STRATA_TRY(generate_file_settle(ctx, &j.log));
    STRATA_TRY(generate_file_publish(ctx, &j.truth));
    STRATA_TRY(generate_file_publish(ctx, &j.log));
    STRATA_AGREE(ctx, json && ctx->rank == 0 ? write_json(ctx, &j, json, force) : STRATA_OK);
    strata_progress_end(ctx);
    if (ctx->rank == 0 && !ctx->quiet)
        print_summary(&j, strata_now() - begin);
done:
    generate_file_release(ctx, &j.log);
    generate_file_release(ctx, &j.truth);
    strata_free(&j.rows);
    strata_free(&j.text);
    strata_free(&j.truth_text);
    strata_free(&j.made_path);
    return rc;
}

const strata_command strata_command_generate = {
    .name = "generate",
    .usage = "--users N -o PATH [--seed S] [options]",
    .summary = "write synthetic overseas transactions with known truth",
    .details =
        "The same options and seed give the same bytes on any number of ranks. Users belong to\n"
        "four latent groups that roughly follow the default segment rules (5, 20, 15 and 60\n"
        "percent), live in regions with different levels of spending, and buy on USD accounts.\n",
    .uses_mpi = true,
    .options = options,
    .run = run,
};
