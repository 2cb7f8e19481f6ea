# Sourced. `skip NAME WHY` says that something isn't checked because the machine lacks NAME, one of the requirements of
# tests/support/src/requirement.rs. If EMBERLINE_REQUIRE (names, separated by commas) has the name, or EMBERLINE_REQUIRE_ALL
# is 1, it ends the script as a failure instead: the tests obey the same variables.

skip() {
  echo "SKIPPED: $2 ($1)" >&2
  local required=",${EMBERLINE_REQUIRE:-},"
  if [ "${EMBERLINE_REQUIRE_ALL:-}" = 1 ] || [[ "${required// /}" == *",$1,"* ]]; then
    echo "error: $1 is required (EMBERLINE_REQUIRE), so this may not be skipped" >&2
    exit 1
  fi
}
