/* stream/stream.h - Kafka in and out: source, decoding, sink, files, the embedded broker. */
#ifndef HR_STREAM_STREAM_H
#define HR_STREAM_STREAM_H

#include "stream/broker.h"
#include "stream/event.h"
#include "stream/lines.h"
#include "stream/rows.h"
#include "stream/simulator.h"
#include "stream/sink.h"
#include "stream/source.h"
#include "stream/time.h"

#endif
