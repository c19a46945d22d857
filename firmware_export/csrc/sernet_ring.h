/* A ring of samples, without locks, between an interrupt that writes and a main loop that reads.
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
 * There must be only one writer and only one reader: an interrupt, a task, or a core with common
 * memory. Each side writes only its own counter. The counters wrap at 2^32, not at the capacity, so
 * a full ring differs from an empty one without an unused place. */
#ifndef SERNET_RING_H
#define SERNET_RING_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Orders memory accesses: a side reads the other side's counter before the samples, and writes its
 * own counter after them. Define both macros for a compiler without these builtins: a volatile
 * access, and a barrier such as __DMB(). */
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
    volatile uint32_t written; /* samples written so far; only the writer changes it */
    volatile uint32_t lost;    /* samples without room so far; only the writer changes it */
    volatile uint32_t read;    /* samples read so far; only the reader changes it */
} sernet_ring;

/* Initialises an empty ring. Returns 0, or -1 for a null pointer or a capacity that is not a power
 * of two. */
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

/* For the writer: appends as many samples as have room. Returns how many; counts the others in
 * `lost`. */
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

/* For the reader: sets `pcm` to the oldest samples, those that lie in one piece. Returns how many;
 * they stay in the ring until `sernet_ring_consume`. */
static inline uint32_t sernet_ring_peek(const sernet_ring *ring, const int16_t **pcm) {
    const uint32_t read = ring->read, waiting = SERNET_LOAD_ACQUIRE(&ring->written) - read;
    const uint32_t at = read & (ring->capacity - 1), end = ring->capacity - at;
    *pcm = ring->samples + at;
    return waiting < end ? waiting : end;
}

/* For the reader: removes the oldest samples, at most as many as `sernet_ring_peek` returned. */
static inline void sernet_ring_consume(sernet_ring *ring, uint32_t count) {
    SERNET_STORE_RELEASE(&ring->read, ring->read + count);
}

/* For the reader: returns how many samples had no room so far. */
static inline uint32_t sernet_ring_lost(const sernet_ring *ring) {
    return SERNET_LOAD_ACQUIRE(&ring->lost);
}

#ifdef __cplusplus
}
#endif

#endif
