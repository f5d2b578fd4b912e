"""Kubernetes objects, given as the dictionaries of their JSON, in the protobuf encoding of k8s.io/api. Only the encoder:
what naru sends is JSON. Non-pointer scalars are written even when they are zero, as the generated Go code does."""

from datetime import datetime

STRING, INT, BOOL, TIME, INT_OR_STRING, MAP = "string", "int", "bool", "time", "int-or-string", "map"


class Field:
    """`optional`: a pointer in Go, absent from the bytes when it is absent from the object."""

    def __init__(self, number, kind, repeated=False, optional=False):
        self.number, self.kind, self.repeated, self.optional = number, kind, repeated, optional


def one(number, kind):
    return Field(number, kind)


def may(number, kind):
    return Field(number, kind, optional=True)


def many(number, kind):
    return Field(number, kind, repeated=True)


# Field numbers of generated.proto. Messages refer to one another by name.
MESSAGES = {
    "Time": {"seconds": one(1, INT), "nanos": one(2, INT)},
    "OwnerReference": {"kind": one(1, STRING), "name": one(3, STRING), "uid": one(4, STRING),
                       "apiVersion": one(5, STRING), "controller": may(6, BOOL)},
    "ObjectMeta": {"name": one(1, STRING), "generateName": one(2, STRING), "namespace": one(3, STRING),
                   "selfLink": one(4, STRING), "uid": one(5, STRING), "resourceVersion": one(6, STRING),
                   "generation": one(7, INT), "creationTimestamp": one(8, TIME), "deletionTimestamp": may(9, TIME),
                   "labels": one(11, MAP), "annotations": one(12, MAP),
                   "ownerReferences": many(13, "OwnerReference"), "finalizers": many(14, STRING)},
    "ListMeta": {"selfLink": one(1, STRING), "resourceVersion": one(2, STRING), "continue": one(3, STRING),
                 "remainingItemCount": may(4, INT)},
    "StatusCause": {"reason": one(1, STRING), "message": one(2, STRING), "field": one(3, STRING)},
    "StatusDetails": {"name": one(1, STRING), "group": one(2, STRING), "kind": one(3, STRING),
                      "causes": many(4, "StatusCause"), "retryAfterSeconds": one(5, INT), "uid": one(6, STRING)},
    "Status": {"metadata": one(1, "ListMeta"), "status": one(2, STRING), "message": one(3, STRING),
               "reason": one(4, STRING), "details": may(5, "StatusDetails"), "code": one(6, INT)},

    "Service": {"metadata": one(1, "ObjectMeta"), "spec": one(2, "ServiceSpec"), "status": one(3, "ServiceStatus")},
    "ServicePort": {"name": one(1, STRING), "protocol": one(2, STRING), "port": one(3, INT),
                    "targetPort": one(4, INT_OR_STRING), "nodePort": one(5, INT), "appProtocol": may(6, STRING)},
    "ClientIPConfig": {"timeoutSeconds": may(1, INT)},
    "SessionAffinityConfig": {"clientIP": may(1, "ClientIPConfig")},
    "ServiceSpec": {"ports": many(1, "ServicePort"), "selector": one(2, MAP), "clusterIP": one(3, STRING),
                    "type": one(4, STRING), "externalIPs": many(5, STRING), "sessionAffinity": one(7, STRING),
                    "loadBalancerIP": one(8, STRING), "loadBalancerSourceRanges": many(9, STRING),
                    "externalName": one(10, STRING), "externalTrafficPolicy": one(11, STRING),
                    "healthCheckNodePort": one(12, INT), "publishNotReadyAddresses": one(13, BOOL),
                    "sessionAffinityConfig": may(14, "SessionAffinityConfig"), "ipFamilyPolicy": may(17, STRING),
                    "clusterIPs": many(18, STRING), "ipFamilies": many(19, STRING),
                    "allocateLoadBalancerNodePorts": may(20, BOOL), "loadBalancerClass": may(21, STRING),
                    "internalTrafficPolicy": may(22, STRING), "trafficDistribution": may(23, STRING)},
    "PortStatus": {"port": one(1, INT), "protocol": one(2, STRING), "error": may(3, STRING)},
    "LoadBalancerIngress": {"ip": one(1, STRING), "hostname": one(2, STRING), "ipMode": may(3, STRING),
                            "ports": many(4, "PortStatus")},
    "LoadBalancerStatus": {"ingress": many(1, "LoadBalancerIngress")},
    "ServiceStatus": {"loadBalancer": one(1, "LoadBalancerStatus")},

    "EndpointSlice": {"metadata": one(1, "ObjectMeta"), "endpoints": many(2, "Endpoint"),
                      "ports": many(3, "EndpointPort"), "addressType": one(4, STRING)},
    "EndpointConditions": {"ready": may(1, BOOL), "serving": may(2, BOOL), "terminating": may(3, BOOL)},
    "ObjectReference": {"kind": one(1, STRING), "namespace": one(2, STRING), "name": one(3, STRING),
                        "uid": one(4, STRING), "apiVersion": one(5, STRING), "resourceVersion": one(6, STRING),
                        "fieldPath": one(7, STRING)},
    "NamedHint": {"name": one(1, STRING)},
    "EndpointHints": {"forZones": many(1, "NamedHint"), "forNodes": many(2, "NamedHint")},
    "Endpoint": {"addresses": many(1, STRING), "conditions": one(2, "EndpointConditions"), "hostname": may(3, STRING),
                 "targetRef": may(4, "ObjectReference"), "deprecatedTopology": one(5, MAP), "nodeName": may(6, STRING),
                 "zone": may(7, STRING), "hints": may(8, "EndpointHints")},
    "EndpointPort": {"name": may(1, STRING), "protocol": may(2, STRING), "port": may(3, INT),
                     "appProtocol": may(4, STRING)},

    "Node": {"metadata": one(1, "ObjectMeta"), "spec": one(2, "NodeSpec"), "status": one(3, "NodeStatus")},
    "Taint": {"key": one(1, STRING), "value": one(2, STRING), "effect": one(3, STRING), "timeAdded": may(4, TIME)},
    "NodeSpec": {"podCIDR": one(1, STRING), "providerID": one(3, STRING), "unschedulable": one(4, BOOL),
                 "taints": many(5, "Taint"), "podCIDRs": many(7, STRING)},
    "NodeAddress": {"type": one(1, STRING), "address": one(2, STRING)},
    "NodeStatus": {"addresses": many(5, "NodeAddress")},

    # The TypeMeta inside Unknown counts the other way round than that of meta/v1.
    "TypeMeta": {"apiVersion": one(1, STRING), "kind": one(2, STRING)},
}
ZERO = {STRING: "", INT: 0, BOOL: False}


def varint(value):
    value &= (1 << 64) - 1  # negative numbers take ten bytes
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def raw_bytes(text):
    """Bytes that are no UTF-8 travel through Python strings as lone surrogates."""
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")


def delimited(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def number_field(number, value):
    return varint(number << 3) + varint(int(value))


def int_or_string(value):
    is_text = isinstance(value, str)
    return (number_field(1, is_text) + number_field(2, 0 if is_text else value)
            + delimited(3, raw_bytes(value) if is_text else b""))


def time(value):
    """RFC 3339, whole seconds."""
    seconds = int(datetime.fromisoformat(value.replace("Z", "+00:00")).timestamp())
    return encode("Time", {"seconds": seconds})


def single(field, value):
    kind = field.kind
    if kind == STRING:
        return delimited(field.number, raw_bytes(value))
    if kind in (INT, BOOL):
        return number_field(field.number, value)
    if kind == TIME:
        return delimited(field.number, time(value))
    if kind == INT_OR_STRING:
        return delimited(field.number, int_or_string(value))
    if kind == MAP:
        return b"".join(delimited(field.number, delimited(1, raw_bytes(key)) + delimited(2, raw_bytes(each)))
                        for key, each in value.items())
    return delimited(field.number, encode(kind, value))


def encode(message, value):
    out = []
    for name, field in MESSAGES[message].items():
        given = value.get(name)
        if field.repeated:
            out += [single(field, each) for each in given or ()]
        elif given is not None:
            out.append(single(field, given))
        elif not field.optional and field.kind in ZERO:
            out.append(single(field, ZERO[field.kind]))
    return b"".join(out)
