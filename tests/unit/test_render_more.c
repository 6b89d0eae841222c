/* What TMF635 does not know, at every level: stored, read back, and carried through a change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "usage/outcome.h"
#include "usage/render.h"

#include "arena_scene.h"

static struct err err;

static struct text copied(struct buf *b)
{
    struct text t = {arena_copy(a, b->data, b->len), b->len};
    buf_fini(b);
    return t;
}

static struct text document_of(const struct usage *u)
{
    struct buf b = {0};
    render_document(&b, u);
    return copied(&b);
}

static struct text ratings_of(const struct list *ratings)
{
    struct buf b = {0};
    render_ratings(&b, ratings);
    return copied(&b);
}

static struct usage *read_back(const char *document, const char *ratings)
{
    struct usage *u = arena_zero(a, sizeof *u);
    struct render_row row = {
        .status = TEXT("rated"), .ratings = text_of(ratings), .document = text_of(document)};
    if (!render_read(&row, a, u, &err))
        fail_msg("%s", err.text);
    return u;
}

static const char document[] =
    "{\"usageDate\":\"2026-11-23T08:15:30.250Z\","
    "\"usageSpecification\":{\"id\":\"s\",\"@type\":\"X\",\"version\":1.50},"
    "\"usageCharacteristic\":[{\"name\":\"n\",\"value\":1,\"@type\":\"Y\",\"unit\":null},"
    "{\"name\":\"m\",\"value\":2,\"characteristicRelationship\":[{\"id\":\"r\",\"x\":1}],\"u\":{}}]"
    ","
    "\"relatedParty\":[{\"id\":\"p\",\"@referredType\":\"Customer\",\"@schemaLocation\":\"z\"},"
    "{\"id\":\"q\",\"@referredType\":\"Customer\"}],\"@type\":\"Usage\",\"e\":[1],\"f\":{\"a\":0.0}"
    "}";

static const char ratings[] =
    "[{\"taxExcludedRatingAmount\":{\"unit\":\"CNY\",\"value\":0.60,\"id\":\"m\",\"href\":\"h\"},"
    "\"taxIncludedRatingAmount\":{\"unit\":\"CNY\",\"x\":[]},"
    "\"bucketValueConvertedInAmount\":{\"value\":5},"
    "\"productRef\":{\"id\":\"p\",\"@baseType\":\"B\"},\"discount\":{\"rate\":0.10},\"@type\":"
    "\"R\"},"
    "{\"taxRate\":6}]";

static void unknown_members_of_every_object_are_kept(void **state)
{
    (void)state;
    struct usage *u = read_back(document, ratings);
    const struct characteristic *c = u->characteristics.items;
    const struct related_party *p = u->parties.items;
    const struct rating *r = u->ratings.items;

    assert_string_equal(document_of(u).p, document);
    assert_string_equal(ratings_of(&u->ratings).p, ratings);
    assert_true(text_is(u->specification.more, "\"@type\":\"X\",\"version\":1.50"));
    assert_true(text_is(c[0].more, "\"@type\":\"Y\",\"unit\":null"));
    assert_true(text_is(c[1].more, "\"u\":{}"));
    assert_true(text_is(p[0].more, "\"@schemaLocation\":\"z\""));
    assert_null(p[1].more.p);
    assert_true(text_is(r[0].more, "\"discount\":{\"rate\":0.10},\"@type\":\"R\""));
    assert_true(text_is(r[0].tax_excluded->more, "\"id\":\"m\",\"href\":\"h\""));
    assert_int_equal(r[0].tax_included->value.kind, VALUE_ABSENT);
    assert_null(r[0].bucket_value->unit.p);
    assert_true(text_is(r[0].product_ref->more, "\"@baseType\":\"B\""));
    assert_null(r[1].more.p);
    assert_true(text_is(u->extensions, "{\"e\":[1],\"f\":{\"a\":0.0}}"));
}

/* Of somebody who writes the members in another order. */
static void they_are_gathered_from_between_the_known_ones(void **state)
{
    (void)state;
    struct usage *u =
        read_back("{ \"x\" : 1 , \"y\":{ } ,\"usageDate\":\"2026-11-23T08:15:30.250Z\",\"\\u007a\":"
                  "\"\\\"\" , \"usageSpecification\":{\"b\":[1, 2] ,\"id\":\"s\", \"a\":0.10 }, "
                  "\"w\":null }",
                  "[{\"q\":1,\"taxRate\":6,\"r\":2,\"isBilled\":true,\"s\":3 , \"t\":4}]");

    assert_true(text_is(u->extensions, "{\"x\" : 1 , \"y\":{ },\"\\u007a\":\"\\\"\",\"w\":null}"));
    assert_true(text_is(u->specification.more, "\"b\":[1, 2],\"a\":0.10"));
    assert_true(
        text_is(((struct rating *)u->ratings.items)->more, "\"q\":1,\"r\":2,\"s\":3,\"t\":4"));
}

static void many_of_them_are_gathered_whole(void **state)
{
    (void)state;
    struct buf b = {0}, expected = {0};
    buf_str(&b,
            "{\"usageDate\":\"2026-11-23T08:15:30.250Z\",\"usageSpecification\":{\"id\":\"s\"}");
    for (int i = 0; i < 1000; i++) { /* a known one between each two */
        buf_printf(&b, ",\"x%d\":%d,\"usageType\":\"V\"", i, i);
        buf_printf(&expected, "%c\"x%d\":%d", i ? ',' : '{', i, i);
    }
    buf_str(&b, "}");
    buf_str(&expected, "}");

    struct usage *u = read_back(buf_text(&b), "[]");

    assert_string_equal(arena_copy(a, u->extensions.p, u->extensions.n), buf_text(&expected));
    buf_fini(&b);
    buf_fini(&expected);
}

/* What HTTP stored goes on a bill that comes from Kafka, which rewrites the ratings. */
static void they_survive_a_bill_that_keeps_the_ratings(void **state)
{
    (void)state;
    struct there there = {.usage = *read_back(document, ratings)};
    struct change bill = {
        .kind = CHANGE_RATED, .status = STATUS_BILLED, .newest_rating = INSTANT_NONE};

    outcome_apply(&bill, &there, a);

    struct text stored = ratings_of(&there.usage.ratings);
    assert_non_null(strstr(stored.p, "\"isBilled\":true"));
    assert_non_null(strstr(stored.p, "\"discount\":{\"rate\":0.10},\"@type\":\"R\"}"));
    assert_non_null(strstr(stored.p, "\"id\":\"m\",\"href\":\"h\"}"));
    assert_string_equal(document_of(&there.usage).p, document);
}

/* A record cannot say them, so one that brings the same rating again is a repeat. */
static void they_make_no_other_rating(void **state)
{
    (void)state;
    struct usage *with = read_back(document, ratings), *without = read_back(document, ratings);
    struct rating *r = without->ratings.items;
    r->more = r->tax_excluded->more = r->product_ref->more = (struct text){0};

    assert_true(usage_ratings_equal(&with->ratings, &without->ratings));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(unknown_members_of_every_object_are_kept, start, end),
        cmocka_unit_test_setup_teardown(they_are_gathered_from_between_the_known_ones, start, end),
        cmocka_unit_test_setup_teardown(many_of_them_are_gathered_whole, start, end),
        cmocka_unit_test_setup_teardown(they_survive_a_bill_that_keeps_the_ratings, start, end),
        cmocka_unit_test_setup_teardown(they_make_no_other_rating, start, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
