/* A ring of samples between an interrupt that writes and a main loop that reads, without locks.
 *
 *     static int16_t memory[8192];                   // a power of two
 *     static sernet_ring ring;
 *     ...sernet_ring_init(&ring, memory, 8192);
 *
 *     void samples_are_there(void) { sernet_ring_write(&ring, samples, count); }
 *
 *     const int16_t *pcm;                            // in the main loop
 *     const uint32_t count = sernet_ring_peek(&ring, &pcm);
 *     ...sernet_push(state, pcm, count)...
 *     sernet_ring_consume(&ring, taken);
 *
 * One writer and one reader, which may be an interrupt, a task, or another core that sees the same
 * memory. Each writes its own counter alone. Counters run on through 2^32, so no place is lost to
 * tell a full ring from an empty one. */
#ifndef SERNET_RING_H
#define SERNET_RING_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Reads a counter of the other side before what it counts; writes one's own after. Define both for
 * a compiler without these builtins: a volatile access, and a barrier such as __DMB(). */
#ifndef SERNET_LOAD_ACQUIRE
#ifdef __GNUC__
#define SERNET_LOAD_ACQUIRE(counter) __atomic_load_n(counter, __ATOMIC_ACQUIRE)
#define SERNET_STORE_RELEASE(counter, value) __atomic_store_n(counter, value, __ATOMIC_RELEASE)
#else
#error "define SERNET_LOAD_ACQUIRE and SERNET_STORE_RELEASE for this compiler"
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    int16_t *samples;
    uint32_t capacity;         /* a power of two */
    volatile uint32_t written; /* the writer's: samples so far */
    volatile uint32_t lost;    /* the writer's: samples that found no room */
    volatile uint32_t read;    /* the reader's: samples so far */
} sernet_ring;

/* Starts empty. Returns 0, or -1 for null pointers and a capacity that is not a power of two. */
static inline int sernet_ring_init(sernet_ring *ring, int16_t *samples, uint32_t capacity) {
    if (ring == NULL || samples == NULL) return -1;
    if (capacity == 0 || (capacity & (capacity - 1)) != 0) return -1;
    ring->samples = samples;
    ring->capacity = capacity;
    ring->written = 0;
    ring->lost = 0;
    ring->read = 0;
    return 0;
}

/* For the writer: appends samples as far as there is room. Returns how many; the others are
 * counted in `lost`. */
static inline uint32_t sernet_ring_write(sernet_ring *ring, const int16_t *pcm, uint32_t count) {
    const uint32_t written = ring->written;
    const uint32_t room = ring->capacity - (written - SERNET_LOAD_ACQUIRE(&ring->read));
    const uint32_t taken = count < room ? count : room;
    const uint32_t at = written & (ring->capacity - 1), end = ring->capacity - at;
    const uint32_t first = taken < end ? taken : end;
    memcpy(ring->samples + at, pcm, first * sizeof *pcm);
    memcpy(ring->samples, pcm + first, (taken - first) * sizeof *pcm);
    SERNET_STORE_RELEASE(&ring->written, written + taken);
    if (taken < count) SERNET_STORE_RELEASE(&ring->lost, ring->lost + (count - taken));
    return taken;
}

/* For the reader: the oldest samples, as far as they lie in one piece. Returns how many; they stay
 * until they are consumed. */
static inline uint32_t sernet_ring_peek(const sernet_ring *ring, const int16_t **pcm) {
    const uint32_t read = ring->read, waiting = SERNET_LOAD_ACQUIRE(&ring->written) - read;
    const uint32_t at = read & (ring->capacity - 1), end = ring->capacity - at;
    *pcm = ring->samples + at;
    return waiting < end ? waiting : end;
}

/* For the reader: gives back the oldest samples, no more than were peeked at. */
static inline void sernet_ring_consume(sernet_ring *ring, uint32_t count) {
    SERNET_STORE_RELEASE(&ring->read, ring->read + count);
}

/* For the reader: how many samples have found no room so far. */
static inline uint32_t sernet_ring_lost(const sernet_ring *ring) {
    return SERNET_LOAD_ACQUIRE(&ring->lost);
}

#ifdef __cplusplus
}
#endif

#endif
