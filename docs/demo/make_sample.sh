#!/bin/sh
# Makes anger_then_sadness.wav: a synthetic German voice, first loud, fast and high, then quiet,
# slow and low. German because the shipped model was trained on German speech.
# Needs espeak-ng and sox.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT

# -s words a minute, -p pitch 0..99, -a loudness 0..200
espeak-ng -v de -s 210 -p 75 -a 100 -w "$work/1-anger.wav" \
    "Jetzt reicht es mir aber! Wie oft soll ich das denn noch sagen! Verschwinde, und zwar sofort!"
espeak-ng -v de -s 115 -p 20 -a 35 -w "$work/2-sadness.wav" \
    "Sie kommt nicht mehr zurück. Ich weiß nicht, was ich noch tun soll."

# 16 kHz mono 16 bit, with a pause between the sentences; -D: no dither, the same bytes every time.
sox -D "$work/1-anger.wav" "$work/2-sadness.wav" -r 16000 -c 1 -b 16 \
    anger_then_sadness.wav pad 0.3@0 0.3
