// Does this build, on this board, compute what the model was trained with?
#include <sernet_selftest.h>
#include <sernet_selftest_features.h>

extern "C" const sernet_golden sernet_model_golden;
extern "C" const sernet_golden_pcm sernet_model_golden_pcm;

SERNET_STATE(state);

void setup() {
  Serial.begin(115200);
  while (!Serial) {
  }
  Serial.print("features that differ by 1 (a few may; below 0 is an error): ");
  Serial.println((long)sernet_selftest_features(&sernet_model_golden_pcm, state, sizeof state));
  Serial.print("scores that differ (must be 0): ");
  Serial.println((long)sernet_selftest(&sernet_model_golden, state, sizeof state));
}

void loop() {}
