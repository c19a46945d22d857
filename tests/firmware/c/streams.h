/* Reads streams of PCM from standard input: the number of samples, uint32, then int16 samples,
 * in this machine's byte order. */
#ifndef STREAMS_H
#define STREAMS_H

#include <stdint.h>
#include <stdio.h>

#define MOST_SAMPLES (1 << 21)

static int16_t samples[MOST_SAMPLES];

/* Returns how many samples the next stream has, 0 after the last. */
static uint32_t next_stream(void) {
    uint32_t count;
    if (fread(&count, sizeof count, 1, stdin) != 1 || count > MOST_SAMPLES) return 0;
    return fread(samples, sizeof *samples, count, stdin) == count ? count : 0;
}

#endif
