#!/bin/sh
# Speaks as an agent does. Refuses files with the word `bad`, dies of files with the word `deadly`.
generation=0
apply() {
    if grep -q deadly "$3"; then echo "cannot load" >&2; exit 1; fi
    if grep -q bad "$3"; then echo "refused line 1: bad"; return; fi
    generation=$((generation + 1)); echo "ready generation=$generation"
}
trap 'apply "$@"' HUP
apply "$@"
# In the foreground and briefly: `wait` may miss a signal that comes just before it.
while :; do sleep 0.1; done
