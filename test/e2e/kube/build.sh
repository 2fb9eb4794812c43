#!/bin/sh
# Builds all parts of Kubernetes as one program, and the pause program, and prints the folder they are in: `kube`, `pause`.
# Go's cache makes a second build quick. SHOAL_KUBE_DIR says where they are kept.
set -eu
cd -- "$(dirname -- "$0")"
version=$(sed -n 's/.*k8s.io\/kubernetes \(v[0-9.]*\)$/\1/p' go.mod)
keep=${SHOAL_KUBE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/shoal-kube}
folder=$keep/$version-$(cat main.go pause/main.go go.mod go.sum build.sh | cksum | cut -d' ' -f1)
if [ ! -d "$folder" ]; then
  new=$keep/new.$$
  trap 'rm -rf "$new"' EXIT
  mkdir -p "$new"
  set_version=k8s.io/component-base/version
  minor=${version#*.}
  go build -trimpath -o "$new/kube" -ldflags "-s -w -X $set_version.gitVersion=$version \
    -X $set_version.gitMajor=1 -X $set_version.gitMinor=${minor%%.*}" . >&2
  CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o "$new/pause" ./pause >&2
  # Two builds at once: the first one counts.
  [ -d "$folder" ] || mv "$new" "$folder"
fi
echo "$folder"
