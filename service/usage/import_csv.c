#include "usage/import_csv.h"

#include "base/jsonr.h"
#include "base/jsonw.h"

/* Of render_csv_columns: from here on they are JSON, those before are texts. */
enum { USAGE_DATE = 2, SPECIFICATION = 6 };

static bool bad_name(struct err *err, struct text name, const char *what)
{
    char quoted[TEXT_QUOTED];
    return err_set(err, ERR_DATA, "the column \"%s\" %s", text_quote(name, quoted), what);
}

static bool has(const struct import_csv *c, int column)
{
    size_t i = 0;
    while (i < c->count && c->columns[i] != column)
        i++;
    return i < c->count;
}

bool import_csv_names(struct import_csv *c, const struct text *cells, size_t count, struct err *err)
{
    c->count = 0;
    for (size_t i = 0; i < count; i++) {
        int column = 0;
        while (column < RENDER_CSV_COLUMNS && !text_is(cells[i], render_csv_columns[column]))
            column++;
        if (column == RENDER_CSV_COLUMNS)
            return bad_name(err, cells[i],
                            "is none of id, href, usageDate, usageType, status, description, "
                            "usageSpecification, relatedParty, usageCharacteristic, "
                            "ratedProductUsage: the first line must be their names");
        if (has(c, column))
            return bad_name(err, cells[i], "stands twice");
        c->columns[c->count++] = column;
    }
    if (!has(c, USAGE_DATE))
        return bad_name(err, TEXT("usageDate"), "is missing, which an import needs");
    if (!has(c, SPECIFICATION))
        return bad_name(err, TEXT("usageSpecification"), "is missing, which an import needs");
    return true;
}

/* One value and nothing else: another cell may not be said in this one. */
static bool is_json(struct text json)
{
    struct jsonr r = jsonr_start(json);
    return jsonr_skip(&r, NULL) && jsonr_done(&r);
}

static bool add_cell(struct jsonw *w, int column, struct text cell, struct err *err)
{
    const char *name = render_csv_columns[column];
    char quoted[TEXT_QUOTED];
    if (cell.n == 0)
        return true;
    if (!text_is_utf8(cell.p, cell.n))
        return err_set(err, ERR_DATA, "%s is no UTF-8, or holds NUL: \"%s\"", name,
                       text_quote(cell, quoted));
    jsonw_key(w, name);
    if (column < SPECIFICATION) {
        jsonw_text(w, cell);
        return true;
    }
    if (!is_json(cell))
        return err_set(err, ERR_DATA, "%s is no JSON: \"%s\"", name, text_quote(cell, quoted));
    jsonw_raw(w, cell);
    return true;
}

bool import_csv_line(const struct import_csv *c, const struct text *cells, size_t count,
                     struct buf *b, struct err *err)
{
    if (count != c->count)
        return err_set(err, ERR_DATA, "the record has %zu cells, and there are %zu columns", count,
                       c->count);
    struct jsonw w = jsonw_start(b);
    jsonw_object(&w);
    for (size_t i = 0; i < count; i++)
        if (!add_cell(&w, c->columns[i], cells[i], err))
            return false;
    jsonw_end(&w);
    return true;
}
