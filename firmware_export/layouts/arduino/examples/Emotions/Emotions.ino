// Prints the emotions that the board's PDM microphone hears.
#include <PDM.h>
#include <sernet.h>

SERNET_STATE(state);

// Half a second of audio: the microphone's interrupt fills it, loop() empties it. The size is a
// power of two, so that the counters may overflow.
static const uint32_t RING_SAMPLES = 8192;
static int16_t ring[RING_SAMPLES];
static volatile uint32_t written = 0;
static uint32_t taken = 0;
static volatile bool lost = false;

static void on_audio() {
  static int16_t part[512];
  const int bytes = PDM.read(part, sizeof part);
  for (int i = 0; i < bytes / 2; i++) {
    if (written - taken == RING_SAMPLES) {
      lost = true;
      return;
    }
    ring[written % RING_SAMPLES] = part[i];
    written = written + 1;
  }
}

static void stop(const char *why, long code) {
  for (;;) {
    Serial.print(why);
    Serial.println(code);
    delay(1000);
  }
}

void setup() {
  Serial.begin(115200);
  const int status = sernet_init(state, sizeof state);
  if (status < 0) stop("sernet_init: ", status);
  PDM.onReceive(on_audio);
  if (!PDM.begin(1, SERNET_SAMPLE_RATE_HZ)) stop("no microphone ", 0);
}

void loop() {
  const uint32_t start = taken % RING_SAMPLES, waiting = written - taken;
  const uint32_t count = waiting < RING_SAMPLES - start ? waiting : RING_SAMPLES - start;
  if (count > 0) {
    const int32_t pushed = sernet_push(state, ring + start, count);
    if (pushed < 0) stop("sernet_push: ", pushed);
    taken += (uint32_t)pushed;
  }
  if (lost) stop("the processor is too slow for this hop: define a larger SERNET_EVERY_FRAMES than ",
                 SERNET_EVERY_FRAMES);
  // Do one part of the network's work at a time, and take audio in between.
  if (sernet_work(state) == 1) return;
  sernet_result result;
  if (sernet_poll(state, &result) == 1) {
    Serial.print(sernet_labels[result.label]);
    Serial.print(' ');
    Serial.println(result.scores[result.label]);
  }
}
