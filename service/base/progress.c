#include "base/progress.h"

#include <stdio.h>

enum { BAR = 24 /* characters */ };

const char *progress_bar(int64_t done, int64_t of, char out[PROGRESS_CHARS])
{
    int percent = of > 0 && done < of ? (int)(done * 100 / of) : 100, full = percent * BAR / 100;
    snprintf(out, PROGRESS_CHARS, "[%.*s%.*s] %3d %%", full, "########################", BAR - full,
             "------------------------", percent);
    return out;
}
