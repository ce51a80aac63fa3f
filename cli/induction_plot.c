/* SPDX-License-Identifier: MIT */
#include "cli/induction_plot.h"

#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

/* Pixels. */
enum {
    WIDTH = 820,
    HEIGHT = 320,
    PANEL = 300,
    TALL = 220,
    LEFT = 50,
    TOP = 52,
    APART = 410,
    LINE_HEIGHT = 13,
};

/* Told apart without colour by their labels at the right. */
static const char *const colours[] = {"#2a66cc", "#d9731a", "#1b8a70",
                                      "#a3407f", "#6b6f76", "#8a6d00",
                                      "#c2333a", "#5b4fc7"};
enum { COLOURS = sizeof colours / sizeof *colours };

struct panel {
    FILE *out;
    const char *figure; /* "attention", "logit" */
    const json_t *heads;
    size_t n, longest;         /* heads to draw; lengths */
    double x, low, high, step; /* of the axis */
};

static double figure_of(const struct panel *p, size_t head, size_t length)
{
    const json_t *list =
        json_object_get(json_array_get(p->heads, head), p->figure);
    return json_number_value(json_array_get(list, length));
}

static double x_of(const struct panel *p, size_t length)
{
    double steps = p->longest > 1 ? (double)(p->longest - 1) : 1;
    return p->x + PANEL * (double)length / steps;
}

static double y_of(const struct panel *p, double value)
{
    return TOP + TALL * (p->high - value) / (p->high - p->low);
}

/* The least of 1, 2, 5, 10, ... times a power of ten that makes at most five
 * steps; low and high then are multiples of it. */
static void find_range(struct panel *p)
{
    for (size_t h = 0; h < p->n; h++)
        for (size_t i = 0; i < p->longest; i++) {
            double value = figure_of(p, h, i);
            p->low = value < p->low ? value : p->low;
            p->high = value > p->high ? value : p->high;
        }
    double span = p->high > p->low ? p->high - p->low : 1;
    static const double nice[] = {1, 2, 5, 10};
    double power = pow(10, floor(log10(span / 5)));
    size_t i = 0;
    while (i < 3 && nice[i] * power * 5 < span)
        i++;
    p->step = nice[i] * power;
    p->low = floor(p->low / p->step + 0.25) * p->step;
    p->high = ceil(p->high / p->step) * p->step;
}

static void draw_axes(const struct panel *p, const char *title)
{
    (void)fprintf(p->out, "<text x=\"%.1f\" y=\"%d\">%s</text>\n", p->x,
                  TOP - 14, title);
    int steps = (int)lround((p->high - p->low) / p->step);
    for (int i = 0; i <= steps; i++) {
        double value = p->low + p->step * i;
        (void)fprintf(p->out,
                      "<path class=\"grid\" d=\"M%.1f %.1fh%d\"/>"
                      "<text class=\"small\" text-anchor=\"end\" x=\"%.1f\" "
                      "y=\"%.1f\">%.3g</text>\n",
                      p->x, y_of(p, value), PANEL, p->x - 6, y_of(p, value) + 4,
                      value);
    }
    (void)fprintf(p->out,
                  "<text class=\"small\" x=\"%.1f\" y=\"%d\">tokens of the "
                  "prefix</text>\n",
                  p->x, HEIGHT - 14);
    for (size_t i = 0; i < p->longest; i++)
        (void)fprintf(p->out,
                      "<text class=\"small\" text-anchor=\"middle\" "
                      "x=\"%.1f\" y=\"%d\">%zu</text>\n",
                      x_of(p, i), TOP + TALL + 16, i + 1);
}

struct label {
    size_t head;
    double y;
};

static int lowest_first(const void *left, const void *right)
{
    const struct label *a = left, *b = right;
    if (a->y != b->y)
        return a->y > b->y ? -1 : 1;
    return a->head < b->head ? -1 : 1;
}

/* Names at the lines' ends, moved up where they would overlap. */
static void draw_labels(const struct panel *p)
{
    struct label *label = calloc(p->n, sizeof *label);
    if (label == NULL)
        return;
    for (size_t h = 0; h < p->n; h++)
        label[h] = (struct label){h, y_of(p, figure_of(p, h, p->longest - 1))};
    qsort(label, p->n, sizeof *label, lowest_first);
    for (size_t i = 0; i < p->n; i++) {
        if (i > 0 && label[i].y > label[i - 1].y - LINE_HEIGHT)
            label[i].y = label[i - 1].y - LINE_HEIGHT;
        const json_t *head = json_array_get(p->heads, label[i].head);
        (void)fprintf(
            p->out,
            "<text class=\"small\" fill=\"%s\" x=\"%.1f\" y=\"%.1f\">L%" PRId64
            "H%" PRId64 "</text>\n",
            colours[label[i].head % COLOURS], p->x + PANEL + 6, label[i].y + 4,
            (int64_t)json_integer_value(json_object_get(head, "layer")),
            (int64_t)json_integer_value(json_object_get(head, "head")));
    }
    free(label);
}

static void draw_lines(const struct panel *p)
{
    for (size_t h = 0; h < p->n; h++) {
        (void)fprintf(p->out, "<path fill=\"none\" stroke=\"%s\" d=\"",
                      colours[h % COLOURS]);
        for (size_t i = 0; i < p->longest; i++)
            (void)fprintf(p->out, "%c%.1f %.1f", i == 0 ? 'M' : 'L', x_of(p, i),
                          y_of(p, figure_of(p, h, i)));
        (void)fprintf(p->out, "\"/>\n");
        for (size_t i = 0; i < p->longest; i++)
            (void)fprintf(p->out,
                          "<circle fill=\"%s\" r=\"2.5\" cx=\"%.1f\" "
                          "cy=\"%.1f\"/>",
                          colours[h % COLOURS], x_of(p, i),
                          y_of(p, figure_of(p, h, i)));
        (void)fprintf(p->out, "\n");
    }
}

static void draw_panel(struct panel *p, const char *title)
{
    find_range(p);
    draw_axes(p, title);
    draw_lines(p);
    draw_labels(p);
}

/* A folder's name may hold what XML does not take as it is. */
static void put_text(FILE *out, const char *text)
{
    for (const char *c = text; *c != '\0'; c++)
        if (*c == '<' || *c == '&' || (unsigned char)*c < 0x20)
            (void)fprintf(out, "%s",
                          *c == '<'   ? "&lt;"
                          : *c == '&' ? "&amp;"
                                      : "?");
        else
            (void)fputc(*c, out);
}

void induction_plot(FILE *out, const json_t *report, const char *model,
                    size_t top)
{
    const json_t *heads = json_object_get(report, "heads");
    size_t n = json_array_size(heads);
    const json_t *first = json_object_get(json_array_get(heads, 0), "logit");
    struct panel attention = {.out = out,
                              .figure = "attention",
                              .heads = heads,
                              .n = n < top ? n : top,
                              .longest = json_array_size(first),
                              .x = LEFT,
                              .high = 1};
    struct panel logit = attention;
    logit.figure = "logit";
    logit.x = LEFT + APART;
    (void)fprintf(out,
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" "
                  "height=\"%d\" viewBox=\"0 0 %d %d\" "
                  "font-family=\"sans-serif\" font-size=\"13\">\n"
                  "<style>.grid{stroke:#e5e5e1}.small{font-size:11px}"
                  "</style>\n<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n"
                  "<text x=\"%d\" y=\"20\">Induction by the length of the "
                  "repeated prefix, ",
                  WIDTH, HEIGHT, WIDTH, HEIGHT, WIDTH, HEIGHT, LEFT);
    put_text(out, model);
    (void)fprintf(out, "</text>\n");
    draw_panel(&attention, "attention to what followed before");
    draw_panel(&logit, "added to that token's logit, over the mean");
    (void)fprintf(out, "</svg>\n");
}
