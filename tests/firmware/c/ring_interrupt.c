/* The timer's interrupt writes numbers into a ring; the main loop reads them. */
#include "board.h"
#include "sernet_ring.h"

#define VECTORS (*(volatile uint32_t *)0xE000ED08u)
#define TIMER_CONTROL (*(volatile uint32_t *)0xE000E010u)
#define TIMER_RELOAD (*(volatile uint32_t *)0xE000E014u)
#define TIMER_VALUE (*(volatile uint32_t *)0xE000E018u)

enum { TOTAL = 20000, CAPACITY = 64 };

static int16_t memory[CAPACITY];
static sernet_ring ring;
static volatile uint32_t sent, interrupts;
static uint32_t table[64] __attribute__((aligned(256)));

static void timer_interrupt(void) {
    int16_t chunk[29];
    uint32_t count = 1 + interrupts % 29;
    for (uint32_t i = 0; i < count; i++) chunk[i] = (int16_t)((sent + i) % 30011);
    sent += sernet_ring_write(&ring, chunk, count);
    interrupts++;
}

int main(void) {
    uint32_t seen = 0, wrong = 0;
    if (sernet_ring_init(&ring, memory, CAPACITY) != 0) return 2;
    const uint32_t *old = (const uint32_t *)VECTORS;
    for (uint32_t i = 0; i < 16; i++) table[i] = old[i];
    table[15] = (uint32_t)timer_interrupt;
    VECTORS = (uint32_t)table;
    TIMER_RELOAD = 2000;
    TIMER_VALUE = 0;
    TIMER_CONTROL = 7;
    while (seen < TOTAL) {
        const int16_t *pcm;
        const uint32_t count = sernet_ring_peek(&ring, &pcm);
        for (uint32_t i = 0; i < count; i++) wrong += pcm[i] != (int16_t)((seen + i) % 30011);
        sernet_ring_consume(&ring, count);
        seen += count;
    }
    TIMER_CONTROL = 0;
    board_print_number("wrong ", (int32_t)wrong);
    board_print_number("interrupts ", (int32_t)interrupts);
    return wrong != 0 || interrupts < 100;
}
