#!/bin/sh
# Brings back the DNS that a cluster had before `deploy.sh | kubectl apply -f -`, and takes Shoal away.
set -eu

kubectl=${KUBECTL:-kubectl}

usage() {
  cat <<'END'
usage: rollback.sh [options]

Brings back the DNS that the cluster had before Shoal, from the ConfigMap shoal-former that deploy.sh made: first the
Corefile, then the Deployments, and when their pods are ready Shoal goes. Where there was no DNS before, Shoal just goes.

  -n, --dry-run          print what would be run, change nothing
      --timeout SECONDS  how long to wait for the former pods (120)
  -h, --help             this text

KUBECTL names the kubectl to run.
END
}

fail() {
  echo "rollback.sh: $1" >&2
  exit 1
}

misuse() {
  echo "rollback.sh: $1" >&2
  echo "rollback.sh: try --help" >&2
  exit 2
}

dry_run=
timeout=120
while [ $# -gt 0 ]; do
  case $1 in
    -n | --dry-run) dry_run=yes ;;
    --timeout=*) timeout=${1#*=} ;;
    --timeout)
      [ $# -gt 1 ] || misuse "$1 needs a value"
      timeout=$2
      shift
      ;;
    -h | --help)
      usage
      exit 0
      ;;
    *) misuse "unknown option $1" ;;
  esac
  shift
done
printf '%s\n' "$timeout" | grep -Eq '^[0-9]{1,5}$' || misuse "--timeout: \"$timeout\" is no count of seconds"
command -v "$kubectl" >/dev/null 2>&1 || fail "no $kubectl found"

ask() {
  "$kubectl" get --namespace kube-system --ignore-not-found "$@" || fail "the cluster did not answer: kubectl get $*"
}

# run ARGUMENTS...: kubectl in kube-system; standard input goes to it.
run() {
  if [ -n "$dry_run" ]; then
    echo "kubectl --namespace kube-system $*"
  else
    "$kubectl" --namespace kube-system "$@"
  fi
}

run_anywhere() {
  if [ -n "$dry_run" ]; then
    echo "kubectl $*"
  else
    "$kubectl" "$@"
  fi
}

# former KEY: the object as it was.
former() {
  ask configmap shoal-former --output "go-template={{index .data \"$1\"}}"
}

# restore KEY: makes the object what it was, whether it is there or not.
restore() {
  yaml=$(former "$1") || exit 1
  if [ -n "$(ask "${1%%.*}" "${1#*.}" --output name)" ]; then
    echo "rollback.sh: ${1%%.*} ${1#*.}: as it was" >&2
    printf '%s\n' "$yaml" | run replace --filename -
  else
    echo "rollback.sh: ${1%%.*} ${1#*.}: made again" >&2
    printf '%s\n' "$yaml" | run create --filename -
  fi
}

keys=$(ask configmap shoal-former --output 'go-template={{range $key, $value := .data}}{{$key}}{{"\n"}}{{end}}') || exit 1
[ -n "$keys" ] || fail 'the cluster has no ConfigMap shoal-former: what was there before Shoal is not known.
Start the former DNS yourself, then:
    kubectl -n kube-system delete deployment/shoal poddisruptionbudget/shoal serviceaccount/shoal
    kubectl delete clusterrolebinding/system:shoal clusterrole/system:shoal'

had() {
  printf '%s\n' "$keys" | grep -Fqx "$1"
}

# The Corefile first: the former pods read it when they start.
if had configmap.coredns; then restore configmap.coredns; fi

deployments=$(printf '%s\n' "$keys" | sed -n 's/^deployment\.//p')
for name in $deployments; do restore "deployment.$name"; done
for name in $deployments; do
  if ! run rollout status "deployment/$name" "--timeout=${timeout}s"; then
    fail "deployment/$name is not ready after ${timeout}s. Shoal still serves; run rollback.sh again when it is"
  fi
done

if had service.kube-dns; then
  restore service.kube-dns
else
  run delete --ignore-not-found service/kube-dns
fi
run delete --ignore-not-found horizontalpodautoscaler/shoal deployment/shoal-autoscaler configmap/shoal-autoscaler \
  rolebinding/shoal-autoscaler role/shoal-autoscaler serviceaccount/shoal-autoscaler
# Its pods answer until their clients have been moved; then what they need can go too.
run delete --ignore-not-found --cascade=foreground deployment/shoal
run delete --ignore-not-found poddisruptionbudget/shoal serviceaccount/shoal
had configmap.coredns || run delete --ignore-not-found configmap/coredns
for name in system:shoal system:shoal-autoscaler; do
  run_anywhere delete --ignore-not-found "clusterrolebinding/$name" "clusterrole/$name"
done
run delete --ignore-not-found configmap/shoal-former

if [ -n "$(ask daemonset shoal-node-local --output name)" ]; then
  echo 'rollback.sh: the DaemonSet shoal-node-local stays, since pods may be using its address. Point the kubelets at the
rollback.sh: Service and restart these pods, then:
rollback.sh:     kubectl -n kube-system delete daemonset/shoal-node-local configmap/shoal-node-local serviceaccount/shoal-node-local' >&2
fi
