-- Accepted events in the order of their sequence: those that outlive their segment, and segments that older
-- routers have made, which are never changed.

-- name: schema
CREATE TABLE IF NOT EXISTS events (
    sequence    INTEGER PRIMARY KEY,
    received    REAL NOT NULL,        -- seconds since the epoch
    fingerprint BLOB NOT NULL,
    routes      BLOB NOT NULL,        -- msgpack; before the record, so that who asks for it reads no more
    record      BLOB NOT NULL         -- msgpack
) STRICT;
-- It grows at its end, as the table does; and whoever asks for times and fingerprints reads nothing else.
CREATE INDEX IF NOT EXISTS events_by_time ON events (received, fingerprint);
CREATE TABLE IF NOT EXISTS originals (
    sequence     INTEGER PRIMARY KEY, -- of the request's first event
    body         BLOB NOT NULL,
    content_type TEXT
) STRICT;

-- name: keep_event
INSERT OR IGNORE INTO events (sequence, received, fingerprint, routes, record) VALUES (?, ?, ?, ?, ?)

-- name: keep_original
INSERT OR IGNORE INTO originals (sequence, body, content_type) VALUES (?, ?, ?)

-- name: drop_event
DELETE FROM events WHERE sequence = ?

-- name: drop_originals
-- Each belongs to the records from its sequence on to that of the next one.
DELETE FROM originals WHERE NOT EXISTS (
    SELECT 1 FROM events WHERE events.sequence >= originals.sequence AND events.sequence < ifnull(
        (SELECT min(later.sequence) FROM originals AS later WHERE later.sequence > originals.sequence),
        9223372036854775807
    )
)

-- name: count_between
SELECT count(*) FROM events WHERE sequence BETWEEN ? AND ?

-- name: span
SELECT (SELECT min(sequence) FROM events), (SELECT max(sequence) FROM events)

-- name: newest
SELECT max(received) FROM events

-- name: first_at
SELECT min(sequence) FROM events WHERE received >= ?

-- name: arrivals
SELECT sequence, received, fingerprint, routes FROM events WHERE sequence BETWEEN ? AND ? ORDER BY sequence
LIMIT ?

-- name: fingerprints
SELECT sequence, received, fingerprint FROM events
WHERE received >= ? AND length(fingerprint) = 16 ORDER BY received DESC, fingerprint DESC LIMIT ?

-- name: arrival
SELECT sequence, received, fingerprint, routes FROM events WHERE sequence = ?

-- name: record
SELECT record FROM events WHERE sequence = ?

-- name: original
SELECT body, content_type FROM originals WHERE sequence = ?
