#include "usage/render_csv.h"

#include "base/jsonr.h"
#include "usage/id.h"

enum column {
    ID,
    HREF,
    USAGE_DATE,
    USAGE_TYPE,
    STATUS,
    DESCRIPTION,
    SPECIFICATION,
    PARTIES,
    CHARACTERISTICS,
    RATINGS
};

const char *const render_csv_columns[RENDER_CSV_COLUMNS] = {"id",
                                                            "href",
                                                            "usageDate",
                                                            "usageType",
                                                            "status",
                                                            "description",
                                                            "usageSpecification",
                                                            "relatedParty",
                                                            "usageCharacteristic",
                                                            "ratedProductUsage"};

void render_csv_cell(struct buf *b, struct text t)
{
    size_t plain = 0;
    while (plain < t.n && t.p[plain] != '"' && t.p[plain] != ',' && t.p[plain] != '\n' &&
           t.p[plain] != '\r')
        plain++;
    if (plain == t.n) {
        buf_add(b, t.p, t.n);
        return;
    }
    char *start = buf_room(b, 2 * t.n + 2), *o = start;
    *o++ = '"';
    for (size_t i = 0; i < t.n; i++) {
        if (t.p[i] == '"')
            *o++ = '"';
        *o++ = t.p[i];
    }
    *o++ = '"';
    b->len += (size_t)(o - start);
}

static bool is_shown(const struct render_fields *fields, int column)
{
    bool always = column == ID || column == HREF;
    return always || render_chosen(fields, text_of(render_csv_columns[column]));
}

static void write_line(struct buf *b, const struct text cells[RENDER_CSV_COLUMNS],
                       const struct render_fields *fields)
{
    for (int i = 0; i < RENDER_CSV_COLUMNS; i++) {
        if (!is_shown(fields, i))
            continue;
        if (i > ID)
            buf_byte(b, ',');
        render_csv_cell(b, cells[i]);
    }
    buf_str(b, "\r\n");
}

void render_csv_names(struct buf *b, const struct render_fields *fields)
{
    struct text names[RENDER_CSV_COLUMNS];
    for (int i = 0; i < RENDER_CSV_COLUMNS; i++)
        names[i] = text_of(render_csv_columns[i]);
    write_line(b, names, fields);
}

/* What the document holds: texts without their quotes and escapes, the rest as it stands. */
static void read_document(struct text document, struct arena *a,
                          struct text cells[RENDER_CSV_COLUMNS])
{
    struct jsonr r = jsonr_start(document);
    struct text key;
    bool good = jsonr_enter(&r, JSONR_OBJECT);
    while (good && jsonr_next_key(&r, a, &key)) {
        int i = USAGE_DATE;
        while (i < RATINGS && !text_is(key, render_csv_columns[i]))
            i++;
        if (i == USAGE_DATE || i == USAGE_TYPE)
            good = jsonr_text(&r, a, &cells[i]);
        else if (i == SPECIFICATION || i == PARTIES || i == CHARACTERISTICS)
            good = jsonr_skip(&r, &cells[i]);
        else
            good = jsonr_skip(&r, NULL);
    }
}

void render_csv(struct buf *b, const struct render_row *row, const char *base_url,
                const struct render_fields *fields)
{
    char id[ID_CHARS];
    struct text cells[RENDER_CSV_COLUMNS] = {0};
    struct arena *a = arena_new(256); /* for what has escapes */
    id_print(&row->id, id);
    read_document(row->document, a, cells);
    cells[ID] = text_of(id);
    cells[HREF] = text_of(arena_printf(a, "%s/usage/%s", base_url, id));
    cells[STATUS] = row->status;
    cells[DESCRIPTION] = row->description;
    if (row->ratings.n > 2) /* "[]" counts as absent */
        cells[RATINGS] = row->ratings;
    write_line(b, cells, fields);
    arena_free(a);
}
