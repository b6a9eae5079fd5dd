// Reads the service's own reason, and what else it says, out of a failed
// call's status details.
import protobuf from 'protobufjs';

// The few lines of google/rpc/status.proto and error_details.proto that are
// needed here, instead of a package that brings every Google API.
const { root } = protobuf.parse(`
  syntax = "proto3";
  message Any { string type_url = 1; bytes value = 2; }
  message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
  message ErrorInfo { string reason = 1; string domain = 2; map<string, string> metadata = 3; }
  message Duration { int64 seconds = 1; int32 nanos = 2; }
  message RetryInfo { Duration retry_delay = 1; }
  message FieldViolation { string field = 1; string description = 2; }
  message BadRequest { repeated FieldViolation field_violations = 1; }
  message Violation { string subject = 1; string description = 2; }
  message QuotaFailure { repeated Violation violations = 1; }
`);
const Status = root.lookupType('Status');
const TYPES = {
  errorInfo: 'ErrorInfo',
  retryInfo: 'RetryInfo',
  badRequest: 'BadRequest',
  quotaFailure: 'QuotaFailure',
};

/**
 * The details of a failed call: errorInfo, retryInfo, badRequest, quotaFailure,
 * those that there are. Failures that gRPC itself reports, such as an
 * unreachable server, carry none.
 */
export function detailsOf(error) {
  const [encoded] = error.metadata?.get('grpc-status-details-bin') ?? [];
  const found = {};
  for (const { typeUrl, value } of encoded ? Status.decode(encoded).details : []) {
    for (const [name, type] of Object.entries(TYPES)) {
      if (typeUrl.endsWith(`/google.rpc.${type}`)) {
        found[name] = root.lookupType(type).decode(value);
      }
    }
  }
  return found;
}

/** The google.rpc.ErrorInfo reason of a failed call, such as "EMPTY_PROMPT", or undefined. */
export function reasonOf(error) {
  return detailsOf(error).errorInfo?.reason;
}
