/* events - which events a listener's query wants, for test_events.py to compare.
 *
 *   events < FRAMES > ANSWERS
 *
 * A frame is its length in 4 bytes, big-endian, and its bytes: 'Q' and a query, or 'E' and an event
 * that is asked of the query before. The answer is a frame: of a query the error's text, empty if
 * it is taken; of an event "1" or "0". */
#include "frames.h"
#include "usage/query_event.h"

static void answer(const char *text)
{
    struct buf b = {0};
    size_t n = strlen(text);
    buf_be32(&b, (uint32_t)n);
    buf_add(&b, text, n);
    if (fwrite(b.data, 1, b.len, stdout) != b.len)
        die("nobody reads");
    buf_fini(&b);
}

int main(void)
{
    struct buf in = {0};
    struct arena *a = arena_new(65536);
    struct query_event *q = NULL;
    while (next_frame(&in)) {
        struct err err = {0};
        struct text rest = {in.data + 1, in.len - 1};
        if (in.data[0] == 'Q') {
            query_event_free(q);
            q = query_event_new(rest, &err);
            answer(err.text);
        } else if (in.data[0] == 'E' && q) {
            int64_t steps = INT64_MAX;
            answer(query_event_matches(q, rest, a, &steps) ? "1" : "0");
        } else {
            die("there is no such frame, or no query before it");
        }
        arena_reset(a);
    }
    query_event_free(q);
    arena_free(a);
    buf_fini(&in);
    return 0;
}
