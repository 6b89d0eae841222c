#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "usage/changes.h"
#include "usage/id.h"
#include "usage_samples.h"

/* A batch of one or two partitions: usage.rated[0] is part 0, usage.raw[0] is part 1 ("rated" <
 * "raw" is the order of names). */
static struct arena *a;
static struct part parts[2];
static struct entry entries[16];
static struct changes_settings settings;
static struct changes c;

enum { RATED, RAW };

static int start(void **state)
{
    (void)state;
    a = arena_new(65536);
    settings = (struct changes_settings){.base_url = "http://h", .event_max = 900 * 1024};
    memset(entries, 0, sizeof entries);
    c = (struct changes){.settings = &settings,
                         .a = a,
                         .now_ms = SAMPLE_NOW,
                         .parts = parts,
                         .part_count = 2,
                         .entries = entries};
    parts[RATED] = (struct part){.topic = "usage.rated", .from = 0, .to = 1};
    parts[RAW] = (struct part){.topic = "usage.raw", .from = 0, .to = 1};
    return 0;
}

static int end(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++)
        buf_fini(&parts[i].messages);
    arena_free(a);
    return 0;
}

static struct entry *add(int part, int64_t offset)
{
    struct entry *e = &entries[c.entry_count++];
    e->part = part;
    e->in = (struct inbound){.topic = parts[part].topic,
                             .offset = offset,
                             .timestamp = SAMPLE_NOW,
                             .key = TEXT("k"),
                             .value = TEXT("bytes")};
    return e;
}

static struct entry *add_raw(int64_t offset, const char *record_id, const char *type)
{
    struct entry *e = add(RAW, offset);
    struct raw_usage *raw = sample_call(a);
    struct mapping_settings s = sample_settings();
    struct err err;
    raw->record_id = text_of(record_id);
    raw->usage_type = text_of(type);
    assert_true(mapping_raw(&s, raw, -1, SAMPLE_NOW, a, &e->change, &err));
    return e;
}

static struct change rating(const char *record_id, enum usage_status status, int64_t date)
{
    struct rated_usage rated = {
        .source = TEXT("med-gz-02"), .record_id = text_of(record_id), .usage_date = SAMPLE_DATE};
    struct mapping_settings s = sample_settings();
    struct rating *r = sample_rating(a);
    struct change change;
    struct err err;
    r->rating_date = date;
    rated.status = (struct symbol){(int)status, text_of(usage_status_names[status])};
    rated.ratings = (struct list){r, 1};
    assert_true(mapping_rated(&s, &rated, -1, SAMPLE_NOW, a, &change, &err));
    return change;
}

/* One that brings no rating, so it has no date. */
static struct change undated(const char *record_id, enum usage_status status)
{
    struct rated_usage rated = {
        .source = TEXT("med-gz-02"), .record_id = text_of(record_id), .usage_date = SAMPLE_DATE};
    struct mapping_settings s = sample_settings();
    struct change change;
    struct err err;
    rated.status = (struct symbol){(int)status, text_of(usage_status_names[status])};
    assert_true(mapping_rated(&s, &rated, -1, SAMPLE_NOW, a, &change, &err));
    return change;
}

static struct entry *add_rated(int64_t offset, const char *record_id, enum usage_status status,
                               int64_t date)
{
    struct entry *e = add(RATED, offset);
    e->change = rating(record_id, status, date);
    return e;
}

static void park(struct group *g, struct change change, int64_t offset)
{
    struct parked *p = arena_zero(a, sizeof *p), **list = &g->parked;
    p->in = (struct inbound){
        .topic = "usage.rated", .offset = offset, .timestamp = SAMPLE_NOW, .value = TEXT("parked")};
    p->change = change;
    while (*list)
        list = &(*list)->next;
    *list = p;
}

/* As store.c says it when all candidates are new. */
static void all_new(void)
{
    for (size_t i = 0; i < c.group_count; i++)
        c.groups[i].inserted = c.groups[i].creator != NULL;
}

static void decide(void)
{
    changes_decide(&c);
    changes_messages(&c);
}

/* The topics of a part's messages, a letter each: c(reate), s(tate), a(ttribute), d(elete), x dead
 * letter. */
static const char *messages(int part)
{
    static char out[32];
    struct outbox_message *m = arena_alloc(a, sizeof *m);
    struct text bytes = {parts[part].messages.data, parts[part].messages.len};
    struct err err;
    size_t at = 0, n = 0;
    while (outbox_next(bytes, &at, m, &err))
        out[n++] = "csadx"[m->topic];
    assert_int_equal(err.kind, ERR_NONE);
    out[n] = 0;
    return out;
}

static void the_same_record_twice_in_a_batch_is_created_once(void **state)
{
    (void)state;
    struct entry *first = add_raw(1, "r1", "VOICE"), *second = add_raw(2, "r1", "VOICE");

    changes_group(&c);
    all_new();
    decide();

    assert_int_equal(c.group_count, 1);
    assert_int_equal(first->outcome, OUTCOME_CREATED);
    assert_int_equal(second->outcome, OUTCOME_DUPLICATE);
    assert_string_equal(messages(RAW), "c");
}

static void a_changed_copy_in_the_same_batch_is_a_conflict(void **state)
{
    (void)state;
    struct entry *first = add_raw(1, "r1", "VOICE"), *second = add_raw(2, "r1", "SMS");

    changes_group(&c);
    all_new();
    decide();

    assert_int_equal(first->outcome, OUTCOME_CREATED);
    assert_int_equal(second->outcome, OUTCOME_DEAD);
    assert_int_equal(second->reason, REASON_CONFLICT);
    assert_string_equal(messages(RAW), "cx");
}

static void raw_records_act_before_ratings(void **state)
{
    (void)state;
    struct entry *rated = add_rated(5, "r1", STATUS_RATED, SAMPLE_RATED);
    struct entry *raw = add_raw(9, "r1", "VOICE");

    changes_group(&c);
    all_new();
    decide();

    assert_int_equal(raw->outcome, OUTCOME_CREATED);
    assert_int_equal(rated->outcome, OUTCOME_CHANGED);
    assert_int_equal(c.groups[0].now->usage.revision, 2);
    assert_true(c.groups[0].changed);
    assert_string_equal(messages(RAW), "c");
    assert_string_equal(messages(RATED), "s");
}

static void two_ratings_of_one_usage_act_one_after_the_other(void **state)
{
    (void)state;
    struct entry *second = add_rated(6, "r1", STATUS_RERATED, SAMPLE_RATED + 5);
    struct entry *first = add_rated(5, "r1", STATUS_RATED, SAMPLE_RATED);
    add_raw(9, "r1", "VOICE");

    changes_group(&c);
    all_new();
    decide();

    assert_int_equal(first->outcome, OUTCOME_CHANGED);
    assert_int_equal(second->outcome, OUTCOME_CHANGED);
    assert_int_equal(c.groups[0].now->usage.status, STATUS_RERATED);
    assert_int_equal(c.groups[0].now->usage.revision, 3);
}

static void of_two_ratings_that_of_the_first_topic_and_partition_acts_first(void **state)
{
    (void)state;
    struct entry *second = add(RAW, 1), *first = add_rated(9, "r1", STATUS_RATED, SAMPLE_RATED);
    second->change = rating("r1", STATUS_RERATED, SAMPLE_RATED);
    add_raw(5, "r1", "VOICE");

    changes_group(&c);
    all_new();
    decide();

    assert_int_equal(first->outcome, OUTCOME_CHANGED);
    assert_int_equal(second->outcome, OUTCOME_CHANGED);
    assert_int_equal(c.groups[0].now->usage.status, STATUS_RERATED);
}

static void a_second_rerating_tells_of_an_attribute_and_names_it(void **state)
{
    (void)state;
    add_raw(1, "r1", "VOICE");
    add_rated(2, "r1", STATUS_RATED, SAMPLE_RATED);
    add_rated(3, "r1", STATUS_RERATED, SAMPLE_RATED + 1);
    struct entry *again = add_rated(4, "r1", STATUS_RERATED, SAMPLE_RATED + 2),
                 *described = add_rated(5, "r1", STATUS_RERATED, SAMPLE_RATED + 3);
    described->change.description = TEXT("in other words");

    changes_group(&c);
    all_new();
    decide();

    assert_int_equal(again->outcome, OUTCOME_UPDATED);
    assert_string_equal(again->effects->field_path, "ratedProductUsage");
    assert_string_equal(described->effects->field_path, "description,ratedProductUsage");
    assert_string_equal(messages(RATED), "ssaa");
}

static void a_rating_without_its_usage_is_parked_and_says_nothing(void **state)
{
    (void)state;
    struct entry *e = add_rated(5, "r1", STATUS_RATED, SAMPLE_RATED);

    changes_group(&c);
    decide();

    assert_int_equal(e->outcome, OUTCOME_PARKED);
    assert_int_equal(c.to_park_count, 1);
    assert_string_equal(messages(RATED), "");
    assert_int_equal(parts[RATED].outcomes[OUTCOME_PARKED], 1);
}

static void a_usage_applies_what_is_parked_for_it_oldest_rating_first(void **state)
{
    (void)state;
    struct entry *raw = add_raw(1, "r1", "VOICE");

    changes_group(&c);
    all_new();
    park(&c.groups[0], rating("r1", STATUS_RERATED, SAMPLE_RATED + 9), 3);
    park(&c.groups[0], rating("r1", STATUS_RATED, SAMPLE_RATED), 4);
    decide();

    assert_int_equal(raw->outcome, OUTCOME_CREATED);
    assert_int_equal(parts[RAW].parked_ended[OUTCOME_CHANGED], 2);
    assert_int_equal(c.groups[0].now->usage.status, STATUS_RERATED);
    assert_int_equal(c.groups[0].now->usage.revision, 3);
    assert_string_equal(messages(RAW), "css");
}

static void a_parked_rating_without_date_acts_right_behind_the_one_parked_before_it(void **state)
{
    (void)state;
    add_raw(1, "r1", "VOICE");

    changes_group(&c);
    all_new();
    park(&c.groups[0], undated("r1", STATUS_GUIDED), 2); /* first: none is before it */
    park(&c.groups[0], rating("r1", STATUS_RERATED, SAMPLE_RATED + 9), 3);
    park(&c.groups[0], undated("r1", STATUS_BILLED), 4);
    park(&c.groups[0], rating("r1", STATUS_RATED, SAMPLE_RATED), 5);
    decide();

    static const enum usage_status previous[] = {STATUS_RECEIVED, STATUS_GUIDED, STATUS_RATED,
                                                 STATUS_RERATED};
    const struct effect *f = entries[0].effects->next; /* behind the create */
    for (size_t i = 0; i < 4; i++, f = f->next)
        assert_int_equal(f->previous, previous[i]);
    assert_int_equal(c.groups[0].now->usage.status, STATUS_BILLED);
    assert_int_equal(parts[RAW].parked_ended[OUTCOME_CHANGED], 4);
}

static void what_becomes_of_parked_ratings_is_not_counted_as_records(void **state)
{
    (void)state;
    add_raw(1, "r1", "VOICE");

    changes_group(&c);
    all_new();
    park(&c.groups[0], rating("r1", STATUS_RATED, SAMPLE_RATED), 2);
    park(&c.groups[0], rating("r1", STATUS_RATED, SAMPLE_RATED), 3);
    park(&c.groups[0], undated("r1", STATUS_GUIDED), 4);
    park(&c.groups[0], undated("r1", STATUS_REJECTED), 5);
    decide();

    static const enum outcome ended[] = {OUTCOME_CHANGED, OUTCOME_DUPLICATE, OUTCOME_SUPERSEDED,
                                         OUTCOME_DEAD};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(parts[RAW].parked_ended[ended[i]], 1);
        assert_int_equal(parts[RAW].outcomes[ended[i]] + parts[RATED].outcomes[ended[i]], 0);
    }
    assert_int_equal(parts[RAW].outcomes[OUTCOME_CREATED], 1);
    assert_string_equal(messages(RAW), "csx");
}

static void
a_parked_rating_that_no_longer_fits_becomes_a_dead_letter_with_its_own_bytes(void **state)
{
    (void)state;
    struct outbox_message *m = arena_alloc(a, sizeof *m);
    struct err err;
    size_t at = 0;
    add_raw(1, "r1", "VOICE");

    changes_group(&c);
    all_new();
    park(&c.groups[0], rating("r1", STATUS_RERATED, SAMPLE_RATED), 3);
    decide();

    assert_int_equal(parts[RAW].parked_ended[OUTCOME_DEAD], 1);
    assert_int_equal(parts[RAW].outcomes[OUTCOME_DEAD], 0);
    struct text bytes = {parts[RAW].messages.data, parts[RAW].messages.len};
    assert_true(outbox_next(bytes, &at, m, &err));
    assert_true(outbox_next(bytes, &at, m, &err));
    assert_int_equal(m->topic, OUTBOX_DEAD);
    assert_true(text_is(m->value, "parked"));
}

static void a_rating_that_finds_others_parked_is_applied_in_their_order(void **state)
{
    (void)state;
    struct entry *rerated = add_rated(7, "r1", STATUS_RERATED, SAMPLE_RATED + 9);
    add_raw(1, "r1", "VOICE");
    changes_group(&c);
    struct there there = {.content = entries[1].change.content, .usage = *entries[1].change.usage};
    c.groups[0].there = &there;
    park(&c.groups[0], rating("r1", STATUS_RATED, SAMPLE_RATED), 4);

    decide();

    assert_int_equal(entries[1].outcome, OUTCOME_DUPLICATE);
    assert_int_equal(rerated->outcome, OUTCOME_CHANGED);
    assert_int_equal(parts[RATED].parked_ended[OUTCOME_CHANGED], 1);
    assert_int_equal(c.groups[0].now->usage.status, STATUS_RERATED);
    assert_string_equal(messages(RATED), "ss");
}

static void a_rating_whose_usage_comes_later_in_the_same_batch_is_parked_and_applied(void **state)
{
    (void)state;
    struct entry *first = add_rated(5, "r1", STATUS_RERATED, SAMPLE_RATED + 9);
    struct entry *whole = add_rated(6, "r1", STATUS_RATED, SAMPLE_RATED);
    struct raw_usage *raw = sample_call(a);
    struct rated_usage rated = {.usage_date = INSTANT_NONE, .usage = raw};
    struct mapping_settings s = sample_settings();
    struct err err;
    raw->record_id = TEXT("r1");
    rated.status = (struct symbol){STATUS_RATED, TEXT("rated")};
    rated.ratings = (struct list){sample_rating(a), 1};
    assert_true(mapping_rated(&s, &rated, -1, SAMPLE_NOW, a, &whole->change, &err));

    changes_group(&c);
    all_new();
    decide();

    assert_int_equal(first->outcome, OUTCOME_PARKED);
    assert_int_equal(whole->outcome, OUTCOME_CREATED);
    assert_int_equal(c.to_park_count, 0);
    assert_int_equal(parts[RATED].parked_ended[OUTCOME_CHANGED], 1);
    assert_string_equal(messages(RATED), "cs");
}

/* --- a sweep: no records, one part --- */

static struct group *sweep_of(const struct usage_id *id)
{
    c.part_count = 1;
    parts[0].topic = "@http";
    changes_sweep(&c, id, 1);
    return &c.groups[0];
}

static void a_sweep_applies_what_waits_oldest_rating_first_and_counts_no_record(void **state)
{
    (void)state;
    struct change guided = rating("r1", STATUS_GUIDED, SAMPLE_NOW - 1000),
                  rated = rating("r1", STATUS_RATED, SAMPLE_NOW);
    struct usage *usage = add_raw(0, "r1", "VOICE")->change.usage;
    struct group *g = sweep_of(&rated.id);
    g->there = arena_zero(a, sizeof *g->there);
    g->there->usage = *usage;
    g->there->usage.revision = 4;
    park(g, rated, 1);
    park(g, guided, 2);

    decide();

    assert_string_equal(messages(0), "ss");
    assert_int_equal(parts[0].parked_ended[OUTCOME_CHANGED], 2);
    assert_true(g->changed);
    assert_int_equal(g->now->usage.status, STATUS_RATED);
    assert_int_equal(g->now->usage.revision, 6);
    for (int o = 0; o < OUTCOME_COUNT; o++)
        assert_int_equal(parts[0].outcomes[o], 0);
}

static void what_a_sweep_hangs_on_no_usage_ends_as_parked_expired_with_its_own_bytes(void **state)
{
    (void)state;
    struct change one = rating("r1", STATUS_RATED, SAMPLE_NOW);
    settings.parked_max_age_ms = 86400000;
    struct group *g = sweep_of(&one.id);
    park(g, one, 5);
    park(g, one, 6);

    decide();

    assert_string_equal(messages(0), "xx");
    assert_int_equal(parts[0].parked_ended[OUTCOME_DEAD], 2);
    assert_int_equal(c.parked_dead, 2);
    assert_false(g->changed);
    struct outbox_message *m = arena_alloc(a, sizeof *m);
    struct err err;
    size_t at = 0;
    assert_true(
        outbox_next((struct text){parts[0].messages.data, parts[0].messages.len}, &at, m, &err));
    assert_true(text_is(m->value, "parked"));
    assert_true(text_is(m->headers[0].value, "parked-expired"));
    assert_non_null(
        strstr(arena_copy(a, m->headers[1].value.p, m->headers[1].value.n), "86400000"));
    assert_true(text_is(m->headers[2].value, "usage.rated"));
}

/* --- limits --- */

static void a_usage_whose_event_would_be_too_large_is_not_stored(void **state)
{
    (void)state;
    struct entry *e = add_raw(1, "r1", "VOICE"), *fits = add_raw(2, "r2", "VOICE");
    settings.event_max = 700;
    struct characteristic *items = ((struct list *)&e->change.usage->characteristics)->items;
    char *giant = arena_zero(a, 1000);
    memset(giant, 'x', 1000);
    items[0].value = sample_text((struct text){giant, 1000});

    changes_check(&c, e);
    changes_check(&c, fits);
    changes_group(&c);
    all_new();
    decide();

    assert_int_equal(e->outcome, OUTCOME_DEAD);
    assert_int_equal(e->reason, REASON_EVENT_TOO_LARGE);
    assert_int_equal(c.group_count, 1);
    (void)fits;
}

static void a_bill_without_ratings_begins_no_usage(void **state)
{
    (void)state;
    struct entry *bill = add(RATED, 5);
    struct raw_usage *raw = sample_call(a);
    struct rated_usage rated = {.usage_date = INSTANT_NONE, .usage = raw};
    struct mapping_settings s = sample_settings();
    struct err err;
    rated.status = (struct symbol){STATUS_BILLED, TEXT("billed")};
    assert_true(mapping_rated(&s, &rated, -1, SAMPLE_NOW, a, &bill->change, &err));

    changes_group(&c);
    all_new();
    decide();

    assert_null(c.groups[0].creator);
    assert_int_equal(bill->outcome, OUTCOME_DEAD);
    assert_int_equal(bill->reason, REASON_INCOMPLETE);
    assert_string_equal(messages(RATED), "x");
}

static void the_bound_of_an_event_is_more_than_it_takes(void **state)
{
    (void)state;
    struct entry *e = add_raw(1, "r1", "VOICE");
    struct change rated = rating("r1", STATUS_RATED, SAMPLE_RATED);
    struct usage u = *e->change.usage;
    struct buf b = {0};
    char *giant = arena_zero(a, 5000);
    memset(giant, 'x', 5000);
    u.ratings = rated.ratings;
    u.specification.href = (struct text){giant, 5000};
    ((struct characteristic *)u.characteristics.items)[0].value_type = (struct text){giant, 5000};
    struct event event = {.type = EVENT_CREATE,
                          .usage = &u,
                          .base_url = "http://h",
                          .event_time = SAMPLE_NOW,
                          .occurred = SAMPLE_NOW,
                          .source = e->change.source,
                          .record_id = e->change.record_id};

    event_write(&b, &event);

    assert_in_range(event_bytes_max(&event), b.len, 3 * b.len);
    buf_fini(&b);
}

static void deciding_again_gives_the_same(void **state)
{
    (void)state;
    add_rated(5, "r1", STATUS_RATED, SAMPLE_RATED);
    add_raw(9, "r1", "VOICE");
    add_raw(10, "r1", "SMS");
    changes_group(&c);
    all_new();

    decide();
    size_t length = parts[RAW].messages.len;
    decide();

    assert_int_equal(parts[RAW].messages.len, length);
    assert_int_equal(parts[RAW].outcomes[OUTCOME_CREATED], 1);
    assert_int_equal(parts[RAW].outcomes[OUTCOME_DEAD], 1);
    assert_int_equal(parts[RATED].outcomes[OUTCOME_CHANGED], 1);
}

static void events_carry_the_trace_and_the_key_of_the_subscriber(void **state)
{
    (void)state;
    static const struct outbox_header headers[] = {{TEXT("x"), TEXT("1")},
                                                   {TEXT("traceparent"), TEXT("00-a-b-01")},
                                                   {TEXT("traceparent"), TEXT("second")}};
    struct outbox_message *m = arena_alloc(a, sizeof *m);
    struct err err;
    size_t at = 0;
    struct entry *e = add_raw(1, "r1", "VOICE");
    e->in.headers = headers;
    e->in.header_count = 3;

    changes_group(&c);
    all_new();
    decide();

    assert_true(outbox_next((struct text){parts[RAW].messages.data, parts[RAW].messages.len}, &at,
                            m, &err));
    assert_int_equal(m->header_count, 1);
    assert_true(text_is(m->headers[0].value, "00-a-b-01"));
    assert_true(text_is(m->key, "cust-55810"));
}

int main(void)
{
#define RULE(f) cmocka_unit_test_setup_teardown(f, start, end)
    const struct CMUnitTest rules[] = {
        RULE(the_same_record_twice_in_a_batch_is_created_once),
        RULE(a_changed_copy_in_the_same_batch_is_a_conflict),
        RULE(raw_records_act_before_ratings),
        RULE(two_ratings_of_one_usage_act_one_after_the_other),
        RULE(of_two_ratings_that_of_the_first_topic_and_partition_acts_first),
        RULE(a_second_rerating_tells_of_an_attribute_and_names_it),
        RULE(a_rating_without_its_usage_is_parked_and_says_nothing),
        RULE(a_usage_applies_what_is_parked_for_it_oldest_rating_first),
        RULE(a_parked_rating_without_date_acts_right_behind_the_one_parked_before_it),
        RULE(what_becomes_of_parked_ratings_is_not_counted_as_records),
        RULE(a_parked_rating_that_no_longer_fits_becomes_a_dead_letter_with_its_own_bytes),
        RULE(a_rating_that_finds_others_parked_is_applied_in_their_order),
        RULE(a_rating_whose_usage_comes_later_in_the_same_batch_is_parked_and_applied),
        RULE(a_sweep_applies_what_waits_oldest_rating_first_and_counts_no_record),
        RULE(what_a_sweep_hangs_on_no_usage_ends_as_parked_expired_with_its_own_bytes),
        RULE(a_usage_whose_event_would_be_too_large_is_not_stored),
        RULE(a_bill_without_ratings_begins_no_usage),
        RULE(the_bound_of_an_event_is_more_than_it_takes),
        RULE(deciding_again_gives_the_same),
        RULE(events_carry_the_trace_and_the_key_of_the_subscriber),
    };
    return cmocka_run_group_tests_name("changes", rules, NULL, NULL);
}
