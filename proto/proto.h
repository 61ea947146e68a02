/* proto/proto.h - the messages of headrace.v1, generated from proto/headrace/v1. */
#ifndef HR_PROTO_PROTO_H
#define HR_PROTO_PROTO_H

#include "proto/headrace/v1/embedding.pb-c.h"
#include "proto/headrace/v1/event.pb-c.h"
#include "proto/headrace/v1/item.pb-c.h"

#endif
