// Reads the service's own reason out of a failed call's status details.
import protobuf from 'protobufjs';

// The few lines of google/rpc/status.proto and error_details.proto that are
// needed here, instead of a package that brings every Google API.
const { root } = protobuf.parse(`
  syntax = "proto3";
  message Any { string type_url = 1; bytes value = 2; }
  message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
  message ErrorInfo { string reason = 1; string domain = 2; map<string, string> metadata = 3; }
`);
const Status = root.lookupType('Status');
const ErrorInfo = root.lookupType('ErrorInfo');

/**
 * The google.rpc.ErrorInfo reason of a failed call, such as "EMPTY_PROMPT".
 * Undefined where there is none: failures that gRPC itself reports, such as an
 * unreachable server, carry no details.
 */
export function reasonOf(error) {
  const [encoded] = error.metadata?.get('grpc-status-details-bin') ?? [];
  if (!encoded) return undefined;
  const info = Status.decode(encoded).details.find(({ typeUrl }) =>
    typeUrl.endsWith('/google.rpc.ErrorInfo'),
  );
  return info && ErrorInfo.decode(info.value).reason;
}
