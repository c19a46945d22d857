/* The schedule: it decides which layer makes the next row. plan.py simulates the same rules to
 * choose the height of the rings, so this file needs no checks for room. */
#include "sernet_engine.h"

#include <string.h>

#include "sernet_kernels.h"

/* The state: steps done by each layer, uint16 (layers); steps wanted, uint16 (layers); the number
 * of pending layers, and their indices, uint8 (1 + layers); arena. */
static uint16_t *steps_done(void *state) { return (uint16_t *)state; }

static int8_t *arena_of(const sernet_net *net, void *state) {
    return (int8_t *)state + net->arena_offset;
}

/* Returns the number of rows up to the last one that a step reads, at least one. It may exceed the
 * input's height; see `rows_of`. */
static uint32_t rows_needed(const sernet_layer *layer, uint32_t step) {
    const uint32_t end = step * layer->stride_height + layer->span_height;
    return end > layer->pad_top ? end - layer->pad_top : 1;
}

static uint32_t rows_of(const sernet_net *net, uint32_t source, uint32_t rows) {
    const uint32_t height = net->layers[source].height;
    return rows < height ? rows : height;
}

static int has_rows(const sernet_net *net, const uint16_t *done, uint32_t index, uint32_t rows) {
    const sernet_layer *layer = &net->layers[index];
    rows = rows_of(net, index, rows);
    return (layer->join == 1 ? done[index] : done[index] / layer->join) >= rows;
}

/* Sets the steps that the layers of a group must have done before `root` can do its next step.
 * Returns whether the rows that the group reads exist. */
static int want(const sernet_net *net, const uint16_t *done, uint16_t *wanted, uint32_t root) {
    const uint32_t start = net->layers[root].group_start;
    for (uint32_t i = start; i < root; i++) wanted[i] = done[i];
    wanted[root] = (uint16_t)(done[root] + 1u);
    for (uint32_t i = root + 1; i-- > start;) {
        const sernet_layer *layer = &net->layers[i];
        if (wanted[i] == done[i]) continue;
        const uint32_t end = rows_needed(layer, wanted[i] - 1u);
        for (uint32_t j = 0; j < layer->input_count; j++) {
            const uint32_t source = layer->inputs[j], rows = rows_of(net, source, end);
            if (!net->layers[source].waits) {
                if (!has_rows(net, done, source, rows)) return 0;
            } else if (wanted[source] < rows) {
                wanted[source] = (uint16_t)rows;
            }
        }
    }
    return 1;
}

static int ready(const sernet_net *net, const uint16_t *done, uint32_t index) {
    const sernet_layer *layer = &net->layers[index];
    const uint32_t rows = rows_needed(layer, done[index]);
    for (uint32_t j = 0; j < layer->input_count; j++)
        if (!has_rows(net, done, layer->inputs[j], rows)) return 0;
    return 1;
}

/* Returns the only layer that reads the layer `index`, which waits. */
static uint32_t reader_of(const sernet_net *net, uint32_t index) {
    for (uint32_t i = index + 1;; i++)
        for (uint32_t j = 0; j < net->layers[i].input_count; j++)
            if (net->layers[i].inputs[j] == index) return i;
}

/* Does the next step of `root`, after the steps of earlier layers that it needs. All these layers
 * wait and have a single reader, so a new row of one lets only its reader advance. */
static void run(const sernet_net *net, uint16_t *done, const uint16_t *wanted, uint32_t root,
                int8_t *arena) {
    for (uint32_t i = root;; i = reader_of(net, i)) {
        while (done[i] == wanted[i] || !ready(net, done, i)) i--;
        const sernet_step step = {net->layers, &net->layers[i], arena, done[i]};
        net->layers[i].run(&step);
        done[i]++;
        if (i == root) return;
    }
}

/* Adds to `pending` the layers that may advance after a new row of a layer, in ascending order. */
static uint32_t wake(const sernet_layer *layer, uint8_t *pending, uint32_t count) {
    const uint8_t *wakes = layer->inputs + layer->input_count;
    for (uint32_t i = 0; i < layer->wake_count; i++) pending[count++] = wakes[i];
    return count;
}

/* Advances the last layer that can advance; returns 0 if the engine needs another row of the input.
 * Only pending layers can advance. A pending layer that lacks a row is removed; the next row that
 * it reads adds it again. */
static int advance(const sernet_net *net, uint16_t *done, int8_t *arena) {
    uint16_t *wanted = done + net->layer_count;
    uint8_t *count = (uint8_t *)(wanted + net->layer_count), *pending = count + 1;
    for (; *count > 0; --*count) {
        const uint32_t root = pending[*count - 1u];
        if (done[root] == net->layers[root].steps || !want(net, done, wanted, root)) continue;
        run(net, done, wanted, root, arena);
        *count = (uint8_t)wake(&net->layers[root], pending, *count);
        return 1;
    }
    return 0;
}

int sernet_net_reset(const sernet_net *net, void *state, size_t bytes) {
    if (net == NULL || state == NULL) return SERNET_ERROR_NULL;
    if ((uintptr_t)state % SERNET_STATE_ALIGN != 0) return SERNET_ERROR_ALIGN;
    if (bytes < net->state_bytes) return SERNET_ERROR_SIZE;
    for (uint32_t i = 1; i < net->layer_count; i++) {
        const sernet_layer *layer = &net->layers[i];
        if (layer->run != NULL) continue;
        const size_t held = (size_t)layer->height * layer->width * layer->channels;
        int8_t *values = arena_of(net, state) + layer->ring_offset;
        if (layer->weights != NULL)
            memcpy(values, layer->weights, held);
        else
            memset(values, layer->zero_point, held);
    }
    return sernet_net_next(net, state);
}

int sernet_net_next(const sernet_net *net, void *state) {
    if (net == NULL || state == NULL) return SERNET_ERROR_NULL;
    memset(state, 0, net->arena_offset);
    for (uint32_t i = 1; i < net->layer_count; i++)
        if (net->layers[i].run == NULL) steps_done(state)[i] = net->layers[i].steps;
    return SERNET_OK;
}

int sernet_net_take(const sernet_net *net, void *state, const int8_t *row) {
    if (net == NULL || state == NULL || row == NULL) return SERNET_ERROR_NULL;
    uint16_t *done = steps_done(state);
    const sernet_layer *input = &net->layers[0];
    if (done[0] == input->steps) return SERNET_OK;
    memcpy(sernet_row(input, arena_of(net, state), done[0]), row,
           (size_t)input->width * input->channels);
    done[0]++;
    uint8_t *count = (uint8_t *)(done + 2u * net->layer_count);
    *count = (uint8_t)wake(input, count + 1, *count);
    return SERNET_OK;
}

int sernet_net_step(const sernet_net *net, void *state) {
    if (net == NULL || state == NULL) return SERNET_ERROR_NULL;
    return advance(net, steps_done(state), arena_of(net, state));
}

int sernet_net_push(const sernet_net *net, void *state, const int8_t *row) {
    int status = sernet_net_take(net, state, row);
    if (status < 0) return status;
    do status = sernet_net_step(net, state);
    while (status > 0);
    const uint32_t last = net->layer_count - 1u;
    return steps_done(state)[last] == net->layers[last].steps ? SERNET_READY : SERNET_OK;
}

const int8_t *sernet_net_output(const sernet_net *net, const void *state) {
    if (net == NULL || state == NULL) return NULL;
    return (const int8_t *)state + net->arena_offset +
           net->layers[net->layer_count - 1].ring_offset;
}
