#!/bin/sh
# Makes two_moods.wav: a synthetic German voice that is first loud, fast and high, then slow, flat
# and quiet. It speaks German because the shipped model is trained on German speech.
# Needs espeak-ng and sox.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT

# -s words a minute, -p pitch 0..99, -a loudness 0..200; range: how much the pitch moves.
espeak-ng -v de+m2 -s 210 -p 90 -a 100 -w "$work/1.wav" \
    "Jetzt reicht es mir aber! Wie oft soll ich das denn noch sagen! Verschwinde, und zwar sofort!"
espeak-ng -v de+m2 -s 100 -p 60 -a 40 -m -w "$work/2.wav" \
    '<prosody range="20">Sie kommt nicht mehr zurück. Ich weiß nicht, was ich noch tun soll.</prosody>'

# 16 kHz, mono, 16 bit, with silence around each part. -D: no dither, so the bytes are always equal.
sox -D "$work/1.wav" "$work/2.wav" -r 16000 -c 1 -b 16 two_moods.wav pad 0.3 0.3
