#include "io/framing.h"

#include <stdio.h>
#include <string.h>

static const char *guess(struct text v)
{
    const unsigned char *p = (const unsigned char *)v.p;
    if (v.n >= 2 && p[0] == 0xc3 && p[1] == 0x01)
        return "; it looks like Avro's single-object encoding";
    if (v.n >= 4 && memcmp(p, "Obj\x01", 4) == 0)
        return "; it looks like an Avro container file";
    if (v.n > 0 && (p[0] == '{' || p[0] == '['))
        return "; it looks like JSON";
    return "";
}

bool framing_read(struct text value, int32_t *schema_id, struct err *err)
{
    char hex[24] = "nothing";
    uint32_t id;
    if (!value.p)
        return err_set(err, ERR_DATA, "the record has no value");
    if (value.n >= FRAMING_BYTES && value.p[0] == 0) {
        memcpy(&id, value.p + 1, sizeof id);
        *schema_id = (int32_t)__builtin_bswap32(id);
        return true;
    }
    for (size_t i = 0; i < value.n && i < 8; i++)
        snprintf(hex + 2 * i, 3, "%02x", (unsigned char)value.p[i]);
    return err_set(
        err, ERR_DATA,
        "the value begins with %s (%zu bytes), not with 00 and a schema id of four bytes%s", hex,
        value.n, guess(value));
}
