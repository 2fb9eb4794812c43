#!/bin/sh
# Prints the manifests that make Shoal the DNS of a cluster, for `kubectl apply -f -`. Changes nothing itself.
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
kubectl=${KUBECTL:-kubectl}
image=shoal:0.1.0

usage() {
  cat <<'END'
usage: deploy.sh [options] | kubectl apply -f -

Prints manifests that put Shoal in the place of the cluster's DNS. What isn't given is asked of the cluster that kubectl
knows; nothing there is changed.

  -d, --domain DOMAIN        cluster domain (cluster.local)
  -i, --dns-ip ADDRESS       address of the DNS Service; twice, or with a comma, for a dual-stack cluster
                             (that of the Service kube-dns)
  -r, --service-cidr CIDR    serve names of addresses in this network only; may be repeated (in-addr.arpa ip6.arpa)
  -u, --upstream SERVER      who answers other names; may be repeated (upstreamNameservers of the ConfigMap kube-dns,
                             or else /etc/resolv.conf of the node)
  -s, --no-translation       don't translate the ConfigMap kube-dns
      --pods MODE            names of pods: disabled, insecure or verified (insecure)
  -f, --corefile FILE        this Corefile, as it is, in place of a made one
  -k, --keep-corefile        keep the ConfigMap coredns that the cluster has
      --image IMAGE          Shoal's image (shoal:0.1.0)
      --replicas COUNT       pods (2)
      --memory SIZE          memory limit of each pod (170Mi)
      --processes COUNT      worker processes of each pod (1 below a limit of 256Mi, or else one per processor)
  -l, --node-local ADDRESS   print the DaemonSet that serves ADDRESS on each node, in front of the DNS Service,
                             instead of the cluster's DNS
      --tools-image IMAGE    with --node-local: an image with sh, grep and ip (busybox:1.36)
  -t, --template FILE        another template
      --offline              ask no cluster; needs --dns-ip, and rollback.sh will know no former state
  -h, --help                 this text

KUBECTL names the kubectl to run.
END
}

fail() {
  echo "deploy.sh: $1" >&2
  exit 1
}

misuse() {
  echo "deploy.sh: $1" >&2
  echo "deploy.sh: try --help" >&2
  exit 2
}

note() {
  echo "deploy.sh: $1" >&2
}

# --- options

domain=
dns_ips=
reverse_zones=
upstreams=
translate=yes
pods=
corefile_file=
keep_corefile=
replicas=2
memory_limit=170Mi
processes=
node_local=
tools_image=busybox:1.36
template=
offline=

while [ $# -gt 0 ]; do
  option=$1
  shift
  case $option in
    --*=*)
      value=${option#*=}
      option=${option%%=*}
      set -- "$value" "$@"
      attached=yes
      ;;
    *) attached= ;;
  esac
  case $option in
    -d | --domain | -i | --dns-ip | -r | --service-cidr | -u | --upstream | --pods | -f | --corefile | --image | \
      --replicas | --memory | --processes | -l | --node-local | --tools-image | -t | --template)
      [ $# -gt 0 ] || misuse "$option needs a value"
      value=$1
      shift
      [ -n "$value" ] || misuse "$option has an empty value"
      ;;
    *) [ -z "$attached" ] || misuse "$option takes no value, or is unknown" ;;
  esac
  case $option in
    -d | --domain) domain=$value ;;
    -i | --dns-ip) dns_ips="$dns_ips $value" ;;
    -r | --service-cidr) reverse_zones="$reverse_zones $value" ;;
    -u | --upstream) upstreams="$upstreams $value" ;;
    -s | --no-translation) translate= ;;
    --pods) pods=$value ;;
    -f | --corefile) corefile_file=$value ;;
    -k | --keep-corefile) keep_corefile=yes ;;
    --image) image=$value ;;
    --replicas) replicas=$value ;;
    --memory) memory_limit=$value ;;
    --processes) processes=$value ;;
    -l | --node-local) node_local=$value ;;
    --tools-image) tools_image=$value ;;
    -t | --template) template=$value ;;
    --offline) offline=yes ;;
    -h | --help)
      usage
      exit 0
      ;;
    -*) misuse "unknown option $option" ;;
    *) misuse "unexpected argument $option" ;;
  esac
done

# words LIST: the list's words, one a line; commas separate too.
words() {
  printf '%s\n' "$1" | tr ', \t' '\n\n\n' | sed '/^$/d'
}

# joined: lines of standard input as one line.
joined() {
  tr '\n' ' ' | sed 's/ *$//'
}

matches() {
  printf '%s\n' "$1" | grep -Eq -- "$2"
}

is_address() {
  case $1 in
    *:*) matches "$1" '^[0-9a-fA-F:]*(([0-9]{1,3}\.){3}[0-9]{1,3})?$' && ! matches "$1" ':::|::.*::' &&
      matches "$1" '::|^([0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}$' ;;
    *) matches "$1" '^((25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])$' ;;
  esac
}

is_network() {
  case $1 in */*) ;; *) return 1 ;; esac
  is_address "${1%/*}" || return 1
  bits=${1##*/}
  matches "$bits" '^[0-9]{1,3}$' || return 1
  case $1 in *:*) [ "$bits" -le 128 ] ;; *) [ "$bits" -le 32 ] ;; esac
}

is_domain() {
  [ ${#1} -le 253 ] && matches "$1" '^([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.?$'
}

# A server that `forward` takes: address, address:port, tls://, https://, name, or a file in resolv.conf's form.
is_upstream() {
  matches "$1" '^[][A-Za-z0-9._:%/-]+$'
}

for value in "$domain" "$dns_ips" "$reverse_zones" "$upstreams" "$image" "$tools_image" "$replicas" "$memory_limit" \
  "$processes" "$node_local" "$pods"; do
  case $value in
    *'
'*) misuse 'a value has more than one line' ;;
  esac
done
dns_ips=$(words "$dns_ips" | joined)
reverse_zones=$(words "$reverse_zones" | joined)
upstreams=$(words "$upstreams" | joined)
domain=${domain%.}

[ -z "$domain" ] || is_domain "$domain" || misuse "--domain: \"$domain\" is no domain name in lower case, for example cluster.local"
for value in $dns_ips; do
  is_address "$value" || misuse "--dns-ip: \"$value\" is no IP address, for example 10.96.0.10"
done
for value in $reverse_zones; do
  is_network "$value" || misuse "--service-cidr: \"$value\" is no network, for example 10.96.0.0/12"
done
for value in $upstreams; do
  is_upstream "$value" || misuse "--upstream: \"$value\" is no server, for example 192.0.2.53 or 192.0.2.53:5353"
done
case ${pods:-insecure} in
  disabled | insecure | verified) ;;
  *) misuse "--pods: \"$pods\" is none of disabled, insecure, verified" ;;
esac
matches "$image" '^[A-Za-z0-9][A-Za-z0-9._/:@-]*$' || misuse "--image: \"$image\" is no name of an image"
matches "$tools_image" '^[A-Za-z0-9][A-Za-z0-9._/:@-]*$' || misuse "--tools-image: \"$tools_image\" is no name of an image"
matches "$replicas" '^[0-9]{1,4}$' || misuse "--replicas: \"$replicas\" is no count, for example 2"
matches "$memory_limit" '^[1-9][0-9]{0,11}(Ki|Mi|Gi|k|M|G)?$' || misuse "--memory: \"$memory_limit\" is no size, for example 170Mi"
[ -z "$processes" ] || matches "$processes" '^[1-9][0-9]{0,2}$' || misuse "--processes: \"$processes\" is no count, for example 4"
if [ -n "$node_local" ]; then
  is_address "$node_local" || misuse "--node-local: \"$node_local\" is no IP address, for example 169.254.20.10"
  [ -z "$corefile_file$keep_corefile" ] || misuse '--node-local has a Corefile of its own: no --corefile or --keep-corefile'
  [ -z "$pods" ] || misuse '--pods is for the cluster'\''s DNS, not for --node-local'
fi
[ -z "$corefile_file" ] || [ -z "$keep_corefile" ] || misuse '--corefile and --keep-corefile exclude each other'
if [ -n "$corefile_file$keep_corefile" ] && [ -n "$domain$reverse_zones$upstreams$pods" ]; then
  misuse '--domain, --service-cidr, --upstream and --pods change a made Corefile: not with --corefile or --keep-corefile'
fi
domain=${domain:-cluster.local}
[ -z "$offline" ] || [ -z "$keep_corefile" ] || misuse '--keep-corefile asks the cluster: not with --offline'
[ -z "$offline" ] || [ -n "$dns_ips" ] || misuse '--offline needs --dns-ip'
if [ -z "$template" ]; then
  template=$here/shoal.yaml.template
  [ -z "$node_local" ] || template=$here/node-local.yaml.template
fi
[ -r "$template" ] || fail "cannot read $template"
[ -z "$corefile_file" ] || [ -r "$corefile_file" ] || fail "cannot read $corefile_file"

# --- what the cluster has

# ask ARGUMENTS...: kubectl get in kube-system; empty for what isn't there.
ask() {
  "$kubectl" get --namespace kube-system --ignore-not-found "$@" || fail "the cluster did not answer: kubectl get $*"
}

if [ -z "$offline" ]; then
  command -v "$kubectl" >/dev/null 2>&1 || fail "no $kubectl found: install it, or use --offline with --dns-ip"
  former_ips=$(ask service kube-dns --output 'jsonpath={.spec.clusterIPs[*]}') || exit 1
  selector=$(ask service kube-dns --output 'jsonpath={.spec.selector}') || exit 1
  case $selector in
    '' | '{"k8s-app":"kube-dns"}') ;;
    *) fail "the Service kube-dns selects $selector, not k8s-app: kube-dns; Shoal's pods would not be behind it" ;;
  esac
  if [ -z "$dns_ips" ]; then
    dns_ips=$former_ips
    [ -n "$dns_ips" ] || fail 'the cluster has no Service kube-dns whose address could be taken: give --dns-ip'
  elif [ -n "$former_ips" ] && [ "$dns_ips" != "$former_ips" ] && [ -z "$node_local" ]; then
    fail "the Service kube-dns has address $former_ips, which cannot change to $dns_ips: delete it first, or leave --dns-ip out"
  fi
fi
case $dns_ips in
  *' '*' '*) misuse '--dns-ip: at most two addresses, one of each family' ;;
esac

# --- stub domains and upstreams of kube-dns

# json object|array: reads {"key": ["item", ...], ...} or ["item", ...] and prints "key item" or "item" lines. Ends with
# exit code 1 and what is wrong for anything else.
json() {
  awk -v want="$1" '
    { text = text $0 "\n" }
    END {
      count = 0
      while (text != "") {
        if (match(text, /^[ \t\r\n]+/)) {
          text = substr(text, RLENGTH + 1)
          continue
        }
        if (match(text, /^"[^"\\]*"/)) {
          kind[count] = "s"
          token[count++] = substr(text, 2, RLENGTH - 2)
          text = substr(text, RLENGTH + 1)
          continue
        }
        c = substr(text, 1, 1)
        if (index("{}[]:,", c) == 0) stop("unexpected " c)
        kind[count] = c
        token[count++] = c
        text = substr(text, 2)
      }
      at = 0
      if (want == "array") items("")
      else {
        take("{")
        if (kind[at] == "}") at++
        else while (1) {
          key = string()
          take(":")
          items(key " ")
          if (kind[at] == ",") { at++; continue }
          take("}")
          break
        }
      }
      if (at != count) stop("unexpected " token[at])
      printf "%s", out
    }
    function stop(why) { print why; exit 1 }
    function take(c) { if (kind[at] != c) stop(at < count ? "expected " c " and found " token[at] : "it ends early"); at++ }
    function string() { if (kind[at] != "s") take("a string"); if (token[at] == "" || token[at] ~ /[ \t]/) stop("a blank name"); return token[at++] }
    function items(before) {
      take("[")
      if (kind[at] == "]") { at++; return }
      while (1) {
        out = out before string() "\n"
        if (kind[at] == ",") { at++; continue }
        take("]")
        return
      }
    }
  '
}

stub_domains=
if [ -z "$offline" ] && [ -n "$translate" ] && [ -z "$corefile_file$keep_corefile" ]; then
  text=$(ask configmap kube-dns --output 'jsonpath={.data.stubDomains}') || exit 1
  if [ -n "$text" ]; then
    stub_domains=$(printf '%s\n' "$text" | json object) ||
      fail "stubDomains of the ConfigMap kube-dns: $stub_domains (--no-translation leaves it out)"
  fi
  text=$(ask configmap kube-dns --output 'jsonpath={.data.upstreamNameservers}') || exit 1
  if [ -n "$text" ]; then
    former_upstreams=$(printf '%s\n' "$text" | json array) ||
      fail "upstreamNameservers of the ConfigMap kube-dns: $former_upstreams (--no-translation leaves it out)"
    if [ -z "$upstreams" ]; then
      upstreams=$(words "$former_upstreams" | joined)
      for value in $upstreams; do
        is_upstream "$value" || fail "upstreamNameservers of the ConfigMap kube-dns: \"$value\" is no server"
      done
    else
      note 'upstreamNameservers of the ConfigMap kube-dns give way to --upstream'
    fi
  fi
  text=$(ask configmap kube-dns --output 'jsonpath={.data.federations}') || exit 1
  [ -z "$text" ] || note 'federations of the ConfigMap kube-dns have no counterpart and are left out'
fi
[ -n "$upstreams" ] || upstreams=/etc/resolv.conf
[ -n "$reverse_zones" ] || reverse_zones='in-addr.arpa ip6.arpa'

# --- the Corefile

# stub_blocks BIND METRICS: a server block for each stub domain.
stub_blocks() {
  printf '%s\n' "$stub_domains" | awk '
    NF == 2 {
      zone = tolower($1)
      sub(/\.$/, "", zone)
      if (!(zone in servers)) order[++count] = zone
      servers[zone] = servers[zone] " " $2
    }
    END { for (i = 1; i <= count; i++) print order[i] servers[order[i]] }
  ' | while read -r zone servers; do
    is_domain "$zone" || fail "stubDomains of the ConfigMap kube-dns: \"$zone\" is no domain name"
    for value in $servers; do
      is_upstream "$value" || fail "stubDomains of the ConfigMap kube-dns: \"$value\" is no server"
    done
    printf '%s:53 {\n' "$zone"
    [ -z "$1" ] || printf '    bind %s\n' "$1"
    printf '    errors\n    prometheus %s\n    forward . %s\n    cache 30\n    loop\n}\n' "$2" "$servers"
  done
}

cluster_corefile() {
  cat <<END
.:53 {
    errors
    health {
        lameduck 10s
    }
    ready
    kubernetes $domain $reverse_zones {
        pods ${pods:-insecure}
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }
    prometheus :9153
    forward . $upstreams {
        max_concurrent 1000
    }
    cache 30
    loop
    reload
    loadbalance
}
END
  stub_blocks '' :9153
}

# Denials of cluster names are not kept here: a new Service is there at once. Answers are kept for 5 seconds.
node_local_corefile() {
  keys=
  for value in "$domain" $reverse_zones; do keys="$keys $value:53"; done
  cat <<END
${keys# } {
    bind $node_local
    errors
    prometheus :9253
    forward . $dns_ips {
        force_tcp
        max_age 1m
    }
    cache 5 {
        disable denial
    }
    loop
}
.:53 {
    bind $node_local
    errors
    health $health_host:8080 {
        lameduck 5s
    }
    ready $health_host:8181
    prometheus :9253
    forward . $upstreams {
        max_concurrent 1000
    }
    cache 30
    loop
    reload
    loadbalance
}
END
  stub_blocks "$node_local" :9253
}

indented() {
  sed "s/^/$1/;s/[ 	]*\$//"
}

configmap_name=coredns
app=shoal
if [ -n "$node_local" ]; then
  configmap_name=shoal-node-local
  app=shoal-node-local
  case $node_local in *:*) health_host="[$node_local]" ;; *) health_host=$node_local ;; esac
  corefile=$(node_local_corefile) || exit 1
elif [ -n "$keep_corefile" ]; then
  corefile=$(ask configmap coredns --output 'jsonpath={.data.Corefile}') || exit 1
  [ -n "$corefile" ] || fail 'the cluster has no ConfigMap coredns with a Corefile to keep: leave --keep-corefile out'
elif [ -n "$corefile_file" ]; then
  corefile=$(tr -d '\r' <"$corefile_file")
  [ -n "$corefile" ] || fail "$corefile_file is empty"
else
  corefile=$(cluster_corefile) || exit 1
fi

configmap=
if [ -z "$keep_corefile" ]; then
  configmap="---
apiVersion: v1
kind: ConfigMap
metadata:
  name: $configmap_name
  namespace: kube-system
  labels:
    app.kubernetes.io/name: $app
data:
  Corefile: |2
$(printf '%s\n' "$corefile" | indented '    ')"
fi

# --- permissions: what `kubernetes` in this Corefile watches

uses() {
  printf '%s\n' "$corefile" | sed 's/#.*//' | grep -Eq "(^|[[:space:]{])$1([[:space:]]|\$)"
}

core_resources='namespaces, services'
if uses 'pods[[:space:]]+"?verified"?'; then core_resources="$core_resources, pods"; fi
multicluster_rule=
if uses multicluster; then
  multicluster_rule='  - apiGroups: [multicluster.x-k8s.io]
    resources: [serviceimports]
    verbs: [list, watch]'
fi

# --- what is there now, for rollback.sh

# without_status: of YAML that kubectl printed, what can be created again.
without_status() {
  sed -E -e '/^status:/,$d' -e '/^  (resourceVersion|uid|creationTimestamp|generation|selfLink): /d'
}

# former_key NAME YAML: a key of the ConfigMap.
former_key() {
  printf '  %s: |2\n' "$1"
  printf '%s\n' "$2" | without_status | sed 's/^/    /'
}

former=
if [ -z "$offline$node_local" ]; then
  # "name replicas" of each other Deployment whose pods are behind the Service.
  others=$(ask deployments --output \
    'jsonpath={range .items[?(@.spec.template.metadata.labels.k8s-app=="kube-dns")]}{.metadata.name} {.spec.replicas}{"\n"}{end}') || exit 1
  others=$(printf '%s\n' "$others" | sed '/^shoal /d')
  deployed=$(ask deployment/shoal --output name) || exit 1
  # What is there beside a Shoal that serves already isn't the former state.
  if [ -z "$deployed" ]; then
    former='---
apiVersion: v1
kind: ConfigMap
metadata:
  name: shoal-former
  namespace: kube-system
  labels:
    app.kubernetes.io/name: shoal
data:
  # What rollback.sh brings back.
  about: DNS of the cluster before Shoal'
    for name in $(printf '%s\n' "$others" | sed 's/ .*//'); do
      yaml=$(ask deployment "$name" --output yaml) || exit 1
      former="$former
$(former_key "deployment.$name" "$yaml")"
    done
    for object in service.kube-dns configmap.coredns; do
      yaml=$(ask "${object%%.*}" "${object#*.}" --output yaml) || exit 1
      [ -z "$yaml" ] || former="$former
$(former_key "$object" "$yaml")"
    done
  fi
  if [ -z "$keep_corefile" ]; then
    now=$(ask configmap coredns --output 'jsonpath={.data.Corefile}') || exit 1
    if [ -n "$now" ] && [ "$now" != "$corefile" ]; then
      note 'the Corefile in the ConfigMap coredns will be replaced; --keep-corefile keeps it'
    fi
  fi
  autoscalers=$(ask deployments --output name) || exit 1
  autoscalers=$(printf '%s\n' "$autoscalers" | sed -n 's/.*\/\(.*dns-*autoscaler\)$/\1/p')
  printf '%s\n' "$others" | while read -r name count; do
    [ "${count:-0}" -gt 0 ] || continue
    note 'when `kubectl -n kube-system rollout status deployment/shoal` has ended, take the former pods away:'
    for autoscaler in $autoscalers; do
      note "    kubectl -n kube-system scale deployment/$autoscaler --replicas=0"
    done
    note "    kubectl -n kube-system scale deployment/$name --replicas=0"
  done
fi

# --- the result

first_ip=${dns_ips%% *}
cluster_ips="  clusterIP: \"$first_ip\""
if [ "$first_ip" != "$dns_ips" ]; then
  cluster_ips="$cluster_ips
  clusterIPs: [\"$first_ip\", \"${dns_ips##* }\"]
  ipFamilyPolicy: RequireDualStack"
fi
# A small cluster's pod takes about 128Mi.
memory_request=128Mi
case $memory_limit in
  *Gi) mebibytes=$((${memory_limit%Gi} * 1024)) ;;
  *Mi) mebibytes=${memory_limit%Mi} ;;
  *Ki) mebibytes=$((${memory_limit%Ki} / 1024)) ;;
  *G) mebibytes=$((${memory_limit%G} * 1000000000 / 1048576)) ;;
  *M) mebibytes=$((${memory_limit%M} * 1000000 / 1048576)) ;;
  *k) mebibytes=$((${memory_limit%k} * 1000 / 1048576)) ;;
  *) mebibytes=$((memory_limit / 1048576)) ;;
esac
[ "$mebibytes" -ge 128 ] || memory_request=$memory_limit
if [ "$mebibytes" -ge 256 ] && [ -z "$processes" ]; then
  note 'with 256Mi or more each pod starts a process per processor of its node, about 60Mi each: --processes sets their number'
fi
process_arguments=
[ -z "$processes" ] || process_arguments=", -processes, \"$processes\""
case $node_local in *:*) prefix=$node_local/128 ;; *) prefix=$node_local/32 ;; esac

# A line that is @NAME@ alone becomes the value's lines, or nothing; inside a line the value is put in place.
COREFILE_CONFIGMAP=$configmap CORE_RESOURCES=$core_resources MULTICLUSTER_RULE=$multicluster_rule CLUSTER_IPS=$cluster_ips \
  IMAGE=$image TOOLS_IMAGE=$tools_image REPLICAS=$replicas MEMORY_LIMIT=$memory_limit MEMORY_REQUEST=$memory_request \
  PROCESS_ARGUMENTS=$process_arguments \
  NODE_LOCAL=$node_local NODE_LOCAL_PREFIX=$prefix awk '
    function put(line,  head, name) {
      head = ""
      while (match(line, /@[A-Z_]+@/)) {
        name = substr(line, RSTART + 1, RLENGTH - 2)
        if (!(name in ENVIRON)) {
          print "deploy.sh: the template uses @" name "@, which is unknown" > "/dev/stderr"
          exit 1
        }
        head = head substr(line, 1, RSTART - 1) ENVIRON[name]
        line = substr(line, RSTART + RLENGTH)
      }
      return head line
    }
    FNR == 1 && /^#/ { next }
    /^@[A-Z_]+@$/ { text = put($0); if (text != "") print text; next }
    { print put($0) }
  ' "$template"
[ -z "$former" ] || printf '%s\n' "$former"
