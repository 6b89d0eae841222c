/* model - what the model says of bodies, for test_model.py to compare.
 *
 *   model < FRAMES > ANSWERS
 *
 * A frame is its length in 4 bytes, big-endian, and its bytes: one that is the body's enum
 * model_type, then the JSON. The answer is a frame with the error's text, empty: taken. */
#include "usage/model.h"
#include "frames.h"

int main(void)
{
    struct buf in = {0}, out = {0};
    struct arena *a = arena_new(65536);
    while (next_frame(&in)) {
        struct err err = {0};
        enum model_type type = (unsigned char)in.data[0];
        if (type >= MODEL_TYPES)
            die("there is no such body");
        bool taken = model_check(type, (struct text){in.data + 1, in.len - 1}, a, &err);
        size_t n = taken ? 0 : strlen(err.text);
        buf_reset(&out);
        buf_be32(&out, (uint32_t)n);
        buf_add(&out, err.text, n);
        if (fwrite(out.data, 1, out.len, stdout) != out.len)
            die("nobody reads");
        arena_reset(a);
    }
    arena_free(a);
    buf_fini(&in);
    buf_fini(&out);
    return 0;
}
