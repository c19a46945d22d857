/* Calls the C interface in any order, with any sizes and alignments. libFuzzer's input chooses.
 *
 * Each buffer has exactly the stated size, so AddressSanitizer reports any access beyond it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sernet.h"

static const uint8_t *at;
static size_t left;

static uint32_t take(unsigned bytes) {
    uint32_t value = 0;
    while (bytes-- > 0 && left > 0) {
        value = value << 8 | *at++;
        left--;
    }
    return value;
}

static void push(void *state) {
    const size_t count = take(2) % 4000;
    const size_t odd = take(1) == 7; /* unaligned samples */
    char *memory = malloc(2 * count + odd + 1);
    uint32_t noise = take(4);
    for (size_t i = 0; i < 2 * count + odd; i++) {
        noise = noise * 1664525u + 1013904223u;
        memory[i] = (char)(noise >> 24);
    }
    if (odd == 0) {
        const int32_t taken = sernet_push(state, (const int16_t *)(void *)memory, count);
        if (taken > (int32_t)count) abort();
    }
    free(memory);
}

static void poll(void *state) {
    sernet_result result;
    if (sernet_poll(state, &result) == 1 && result.label >= SERNET_LABEL_COUNT) abort();
}

static void set_head(void *state) {
#ifdef SERNET_HEAD
    const size_t count = take(2) % (SERNET_HEAD_BYTES + 8);
    uint8_t *block = malloc(count + 1);
    for (size_t i = 0; i < count; i++) block[i] = (uint8_t)take(1);
    sernet_set_head(state, block, count);
    free(block);
#else
    (void)state;
#endif
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    at = data;
    left = size;
    const size_t bytes = take(1) % 8 == 0 ? take(3) % (2 * SERNET_STATE_BYTES) : SERNET_STATE_BYTES;
    const size_t off = take(1) % 16 == 0 ? take(1) % 8 : 0;
    char *memory = malloc(bytes + off + 8);
    memset(memory, (int)take(1), bytes + off + 8);
    void *state = memory + off;
    int is_ready = 0;
    for (int calls = 0; left > 0 && calls < 64; calls++) {
        const uint32_t call = take(1) % 8;
        /* The library must refuse a state that is too small for an instance, without reading it. */
        if (!is_ready && call != 0) continue;
        switch (call) {
        case 0: is_ready = sernet_init(state, bytes) == SERNET_OK; break;
        case 1: poll(state); break;
        case 2: sernet_work(state); break;
        case 3: sernet_reset(state); break;
        case 4: set_head(state); break;
        default: push(state);
        }
    }
    free(memory);
    return 0;
}
