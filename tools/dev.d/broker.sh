# shellcheck shell=bash
# Sourced by tools/dev: a broker for the length of a command, and `tools/dev run`.
# shellcheck disable=SC2154,SC2153  # build: set by tools/dev; BROKER_PID: by coproc

headrace=$build/release/headrace
broker_pid=
broker_listen=
broker_http=

port_is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# start_broker DATA [PREFERRED_PORT PREFERRED_HTTP_PORT]: sets broker_pid and the addresses.
start_broker() {
  local data=$1 port=${2:-0} http_port=${3:-0} ready
  ((port == 0)) || port_is_free "$port" || port=0
  ((http_port == 0)) || port_is_free "$http_port" || http_port=0
  mkdir -p "$data"
  coproc BROKER {
    exec "$headrace" --json serve --data "$data" --listen "127.0.0.1:$port" \
      --http-listen "127.0.0.1:$http_port" --set log.format=text 2>"$data.log"
  }
  broker_pid=$BROKER_PID
  trap stop_broker EXIT
  if ! IFS= read -r -t 60 ready <&"${BROKER[0]}"; then
    cat "$data.log" >&2
    die "the broker did not start; its log is above and in $data.log"
  fi
  broker_listen=$(json_field listen <<<"$ready")
  broker_http=$(json_field http <<<"$ready")
}

# SIGTERM and wait: the broker drains. Its exit code becomes ours if it is not 0.
stop_broker() {
  trap - EXIT
  [[ -n $broker_pid ]] || return 0
  kill -TERM "$broker_pid" 2>/dev/null || true
  local code=0
  wait "$broker_pid" || code=$?
  broker_pid=
  ((code == 0)) || die "the broker ended with exit code $code"
}

json_field() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }

# Publishes the machine's package log, reads it back through a consumer group, compares. The caller
# tests the result, so every step says by itself that it failed.
round_trip() {
  local work=$1 log=/var/log/dpkg.log topic
  [[ -r $log ]] || die "$log is not readable: this demonstration needs Debian's package log"
  topic=dpkg-log-$(date -u +%Y%m%dT%H%M%S)
  mkdir -p "$work"
  cp "$log" "$work/lines" || return # the log may grow meanwhile
  python3 tools/dpkg_events.py convert <"$work/lines" >"$work/events" || return
  local cli=("$headrace" --json --server "$broker_listen" --http "$broker_http")
  "${cli[@]}" topics create "$topic" >/dev/null || return
  "${cli[@]}" publish "$topic" --cloudevents <"$work/events" >"$work/acks" || return
  "${cli[@]}" consume "$topic" --group "$topic-reader" --from earliest --wait 5s \
    --count "$(wc -l <"$work/acks")" >"$work/back" || return
  python3 tools/dpkg_events.py compare "$work/lines" "$work/acks" "$work/back"
}

verb_run() {
  local data=$build/run-data once=0 code=0
  while (($#)); do
    case $1 in
      --once) once=1 ;;
      --data)
        data=$(realpath -m "${2:?--data needs a directory}")
        shift
        ;;
      *) die "run: unknown argument $1" ;;
    esac
    shift
  done
  install_packages
  build_preset release headrace
  start_broker "$data" 7420 7480
  echo "broker  $broker_listen   data $data   log $data.log"
  echo "metrics $broker_http/metrics   ready $broker_http/readyz   topics $broker_http/v1/topics"
  round_trip "$build/run" || code=$?
  if ((once || code)); then
    stop_broker
    return "$code"
  fi
  echo "The broker is up; try: $headrace --server $broker_listen topics ls"
  echo "Ctrl-C stops it."
  trap ':' INT TERM # the broker hears Ctrl-C too and drains; wait for it
  wait "$broker_pid" || true
  stop_broker
}
