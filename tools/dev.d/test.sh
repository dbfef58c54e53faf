# shellcheck shell=bash
# Sourced by tools/dev: `tools/dev test`, the whole of CI.
# shellcheck disable=SC2154  # root, build, jobs: set by tools/dev

coverage_least=80 # per cent of lines of broker, storage and net
# The simulation's 200 seeds run in the release build; the slow, instrumented ones run a few.

fuzz_targets() { find tests/fuzz -name '*_fuzz.cc' -printf '%f\n' | sed 's/\.cc$//' | sort; }

# run_suite NAME COMMAND...: output goes to a log; its seeds and closing lines are shown, all of it
# on failure. The command must not rely on `set -e`.
run_suite() {
  local name=$1 log=$build/logs/$1.log code=0
  shift
  say "$name"
  mkdir -p "$build/logs"
  "$@" >"$log" 2>&1 || code=$?
  if ((code)); then
    cat "$log" >&2
    die "suite $name failed (exit code $code); its log is $log"
  fi
  grep -aiE '\bseeds?\b' "$log" | sort -u | head -n 40 || true
  grep -aE '\[  PASSED  \]|tests passed|passed, ' "$log" || tail -n 3 "$log"
}

suite_ctest() { # PRESET [CTEST ARGUMENT...]
  local preset=$1
  shift
  ctest --test-dir "$build/$preset" --verbose --no-tests=error "$@"
}

check_coverage() {
  gcovr --root "$root" --object-directory "$build/coverage" -j "$jobs" \
    --filter 'broker/' --filter 'storage/' --filter 'net/' --exclude 'broker/main.cc' \
    --print-summary --txt "$build/logs/coverage.txt" --fail-under-line "$coverage_least" \
    "$build/coverage" || return
  sed -n '/^TOTAL/p' "$build/logs/coverage.txt"
  echo "coverage gate of $coverage_least % passed, see $build/logs/coverage.txt"
}

# suite_e2e PRESET [TEST...]: these, or every executable tests/e2e/*_test.*, work on the binary that
# $HEADRACE names.
suite_e2e() {
  local test tests=("${@:2}")
  export HEADRACE=$build/$1/headrace
  if ((!${#tests[@]})); then
    mapfile -t tests < <(find tests/e2e -name '*_test.*' -executable -type f | sort)
  fi
  ((${#tests[@]})) || return 1
  for test in "${tests[@]}"; do
    echo "-- $test"
    timeout 300 "$test" || {
      echo "e2e: $test failed"
      return 1
    }
  done
  echo "e2e: ${#tests[@]} passed, 0 failed"
}

# planted_bug BINARY ARGUMENT...: its tests must find the bug that is built in, by failing; a crash
# or a time-out does not count.
planted_bug() {
  local code=0
  timeout 300 "$build/release/planted_$1" "${@:2}" || code=$?
  if ((code != 1)); then
    echo "the planted bug was not found: exit code $code, 1 expected"
    return 1
  fi
  echo "planted bug found by $1: 1 passed, 0 failed"
}

# planted_seeds CHECKER: one seed is enough, the first that this checker alone finds. Each has a
# process of its own: a broker with bugs may also stop at its own checks, which does not count.
planted_seeds() {
  local seed
  for seed in {1..200}; do
    HEADRACE_SIM_CHECKER=$1 HEADRACE_SIM_SEED=$seed planted_bug sim_tests \
      --gtest_filter=Simulation.Seeds && return
  done
  return 1
}

verb_test() {
  local checker targets
  install_packages
  check_style

  say "build dev (address and undefined behaviour, coverage)"
  build_preset dev:coverage -DHEADRACE_COVERAGE=ON -- \
    headrace unit_tests golden_tests conformance_tests sim_tests
  find "$build/coverage" -name '*.gcda' -delete
  HEADRACE_SIM_SEEDS=2 run_suite dev suite_ctest coverage -j "$jobs"
  # What answers routes and messages is reached through them alone.
  run_suite dev-e2e suite_e2e coverage tests/e2e/{access,openapi}_test.py
  run_suite coverage check_coverage

  say "build release"
  build_preset release headrace publish_one micro_bench sim_tests \
    planted_conformance_tests planted_sim_tests
  run_suite simulation suite_ctest release -R '^sim$'
  run_suite e2e suite_e2e release
  run_suite round-trip tools/dev run --once --data "$build/test-data"

  run_suite planted-store planted_bug conformance_tests --gtest_filter='PowerCut.*'
  HEADRACE_SIM_SEEDS=20 run_suite planted-broker \
    planted_bug sim_tests --gtest_filter=Simulation.Seeds
  # Each alone; for `visible` and `budget` no bug is planted, their unit tests have wrong histories.
  for checker in loss duplicates offsets order epochs commits assignment deliveries delayed keys \
    schemas isolation fairness turns retries; do
    run_suite "planted-$checker" planted_seeds "$checker"
  done

  say "build tsan (what crosses threads)"
  build_preset tsan tsan_tests
  TSAN_OPTIONS="suppressions=$root/tests/support/tsan.supp halt_on_error=1" \
    run_suite tsan suite_ctest tsan -R '^tsan$'

  say "build fuzz"
  mapfile -t targets < <(fuzz_targets)
  build_preset fuzz "${targets[@]}"
  run_suite fuzz suite_ctest fuzz -R '_fuzz$' -j "$jobs"

  say "all suites passed"
}
