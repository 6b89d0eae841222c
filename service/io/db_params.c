/* Parameters and results of db.h in PostgreSQL's binary formats. */
#include <assert.h>
#include <libpq-fe.h>

#include "base/value.h"
#include "io/db.h"

/* Milliseconds from 1970 to 2000, where PostgreSQL's times begin. */
#define EPOCH_2000_MS INT64_C(946684800000)

void db_params_reset(struct db_params *p)
{
    buf_reset(&p->bytes);
    p->count = 0;
}

void db_params_fini(struct db_params *p)
{
    buf_fini(&p->bytes);
    p->count = 0;
}

static void begin(struct db_params *p)
{
    assert(p->count < DB_PARAMS_MAX);
    p->starts[p->count] = p->bytes.len;
    p->lengths[p->count] = -1;
    p->borrowed[p->count] = NULL;
}

static void end(struct db_params *p)
{
    p->lengths[p->count] = (int)(p->bytes.len - p->starts[p->count]);
    p->count++;
}

void db_param_null(struct db_params *p)
{
    begin(p);
    p->count++;
}

void db_param_bytes(struct db_params *p, const void *bytes, size_t n)
{
    begin(p);
    buf_add(&p->bytes, bytes, n);
    end(p);
}

void db_param_borrow(struct db_params *p, const void *bytes, size_t n)
{
    begin(p);
    p->borrowed[p->count] = bytes ? bytes : "";
    p->lengths[p->count++] = (int)n;
}

void db_param_text(struct db_params *p, struct text t)
{
    if (t.p)
        db_param_bytes(p, t.p, t.n);
    else
        db_param_null(p);
}

void db_param_int4(struct db_params *p, int32_t v)
{
    begin(p);
    buf_be32(&p->bytes, (uint32_t)v);
    end(p);
}

void db_param_int8(struct db_params *p, int64_t v)
{
    begin(p);
    buf_be64(&p->bytes, (uint64_t)v);
    end(p);
}

void db_param_truth(struct db_params *p, bool v)
{
    begin(p);
    buf_byte(&p->bytes, v);
    end(p);
}

void db_param_uuid(struct db_params *p, const unsigned char bytes[16])
{
    db_param_bytes(p, bytes, 16);
}

void db_param_time(struct db_params *p, int64_t ms)
{
    db_param_int8(p, (ms - EPOCH_2000_MS) * 1000);
}

void db_array_begin(struct db_params *p, enum db_element type, size_t n)
{
    begin(p);
    buf_be32(&p->bytes, n > 0); /* dimensions */
    buf_be32(&p->bytes, 1);     /* there may be nulls */
    buf_be32(&p->bytes, (uint32_t)type);
    if (n > 0) {
        buf_be32(&p->bytes, (uint32_t)n);
        buf_be32(&p->bytes, 1); /* lower bound */
    }
}

void db_array_end(struct db_params *p)
{
    end(p);
}

void db_array_null(struct db_params *p)
{
    buf_be32(&p->bytes, UINT32_MAX);
}

void db_array_bytes(struct db_params *p, const void *bytes, size_t n)
{
    buf_be32(&p->bytes, (uint32_t)n);
    buf_add(&p->bytes, bytes, n);
}

void db_array_text(struct db_params *p, struct text t)
{
    if (t.p)
        db_array_bytes(p, t.p, t.n);
    else
        db_array_null(p);
}

void db_array_int4(struct db_params *p, int32_t v)
{
    buf_be32(&p->bytes, 4);
    buf_be32(&p->bytes, (uint32_t)v);
}

void db_array_int8(struct db_params *p, int64_t v)
{
    buf_be32(&p->bytes, 8);
    buf_be64(&p->bytes, (uint64_t)v);
}

void db_array_uuid(struct db_params *p, const unsigned char bytes[16])
{
    db_array_bytes(p, bytes, 16);
}

void db_array_time(struct db_params *p, int64_t ms)
{
    db_array_int8(p, (ms - EPOCH_2000_MS) * 1000);
}

void db_rows_fini(struct db_rows *rows)
{
    PQclear(rows->result);
    *rows = (struct db_rows){0};
}

bool db_null(const struct db_rows *rows, int row, int column)
{
    return PQgetisnull(rows->result, row, column);
}

struct text db_text(const struct db_rows *rows, int row, int column)
{
    if (PQgetisnull(rows->result, row, column))
        return (struct text){0};
    return (struct text){PQgetvalue(rows->result, row, column),
                         (size_t)PQgetlength(rows->result, row, column)};
}

static uint64_t be(const struct db_rows *rows, int row, int column, int bytes)
{
    assert(PQgetlength(rows->result, row, column) == bytes);
    const unsigned char *p = (const unsigned char *)PQgetvalue(rows->result, row, column);
    uint64_t v = 0;
    for (int i = 0; i < bytes; i++)
        v = v << 8 | p[i];
    return v;
}

int32_t db_int4(const struct db_rows *rows, int row, int column)
{
    return (int32_t)(uint32_t)be(rows, row, column, 4);
}

int64_t db_int8(const struct db_rows *rows, int row, int column)
{
    return (int64_t)be(rows, row, column, 8);
}

bool db_truth(const struct db_rows *rows, int row, int column)
{
    return be(rows, row, column, 1) != 0;
}

const unsigned char *db_uuid(const struct db_rows *rows, int row, int column)
{
    assert(PQgetlength(rows->result, row, column) == 16);
    return (const unsigned char *)PQgetvalue(rows->result, row, column);
}

int64_t db_time(const struct db_rows *rows, int row, int column)
{
    if (PQgetisnull(rows->result, row, column))
        return INSTANT_NONE;
    int64_t us = db_int8(rows, row, column);
    return (us >= 0 ? us / 1000 : -((999 - us) / 1000)) + EPOCH_2000_MS;
}
