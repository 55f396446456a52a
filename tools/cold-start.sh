#!/usr/bin/env bash
# From an empty folder with a cold npm cache to the first finished round of the demo: how long it takes, the download apart.
#
#     npm run package && tools/cold-start.sh [<cores>]      two by default
#
# The same is done twice. The first time npm downloads everything; the second time its cache is warm and nothing else is
# there, so the difference is the download. Ends with 1 where the second takes more than 60 seconds.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cores=${1:-2}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
npm pack --silent --pack-destination "$scratch" ./package >/dev/null
cpus=$(taskset -cp $$ | sed 's/.*: //' | tr ',' '\n' | awk -F- '{ for (i = $1; i <= ($2 ? $2 : $1); i++) print i }')
cpus=$(head -n "$cores" <<<"$cpus" | paste -sd,)

# first_round NAME: seconds from an empty folder and an empty home to the figures of round 0.
first_round() {
  local folder=$scratch/$1 started=$EPOCHREALTIME
  mkdir -p "$folder/home" && cd "$folder"
  HOME=$folder/home XDG_CACHE_HOME=$folder/home/.cache npm_config_cache=$scratch/npm \
    taskset -c "$cpus" bash -c '
      npm install --no-audit --no-fund --prefer-offline '"$scratch"'/tributary-rl-*.tgz >install.log 2>&1 &&
        exec node node_modules/tributary-rl/dist/cli/main.js demo --json >/dev/null 2>demo.log' &
  local demo=$!
  until grep -qs '"kind":"round"' runs/demo/metrics.jsonl; do
    kill -0 $demo 2>/dev/null || { cat install.log demo.log >&2; exit 1; }
    sleep 0.2
  done
  awk "BEGIN { printf \"%.1f\\n\", $EPOCHREALTIME - $started }" >"$scratch/$1.seconds"
  kill $demo
  wait $demo 2>/dev/null || true
}

(first_round cold)
(first_round warm)
cold=$(<"$scratch/cold.seconds")
warm=$(<"$scratch/warm.seconds")
echo "cold npm cache: $cold s to the first finished round of the demo; with the downloads in the cache: $warm s ($cores cores)"
awk "BEGIN { exit !($warm <= 60) }"
