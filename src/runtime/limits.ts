// Every bound of the system, in one place. Reaching one is a typed error that names the limit.

export const limits = {
  /** UTF-16 units of one encoded value: an event's payload, an input, an outcome. */
  payloadBytesMax: 1_048_576,
  /** Nesting of arrays and objects in one value. */
  payloadDepthMax: 200,
  /** Characters kept of an error's message and of its stack, when it is recorded as data. */
  errorTextLengthMax: 8_192,
  /** Errors kept of a chain of causes, the first one included. */
  errorCausesMax: 8,
  /** Characters of an instance id. */
  idLengthMax: 256,
  /** Characters of the name of a workflow, event, activity or step. */
  nameLengthMax: 200,
  /** Characters of an event's key or caller-supplied event id. */
  keyLengthMax: 1_024,
  /** Outcomes recorded for one instance. */
  journalEntriesMax: 100_000,
  /** Outcomes from which on an instance is warned of its journal's length. */
  journalEntriesWarned: 80_000,
  /** Events that wait at one address. */
  mailboxEventsMax: 10_000,
  /** Caller-supplied event ids remembered per address. */
  seenIdsMax: 1_000_000,
  /** How long a caller-supplied event id is remembered. */
  seenIdsMs: 24 * 3_600_000,
  /** How long an unclaimed keyed event waits before it becomes a dead letter. */
  eventExpiryMs: 30 * 24 * 3_600_000,
  /** Dead letters kept. */
  deadLettersMax: 100_000,
  /** How long an ended instance stays readable, and how many do, unless `keepFinished` says otherwise. */
  retentionMs: 7 * 24 * 3_600_000,
  finishedMax: 1_000_000,
  /** Live tasks of one instance. */
  tasksMax: 100_000,
  /** Tasks below tasks, and groups in groups. */
  taskNestingMax: 500,
  /** Ended ephemeral instances whose ends are kept for the body that started them. */
  ephemeralEndsMax: 1_000,
  /** Items in a queue that was given no capacity. */
  queueItemsMax: 100_000,
  /** Effects between the tasks of one instance in one turn. */
  localEffectsMax: 5_000_000,
  /** Operations made and not yet run by one task. */
  operationsUnrunMax: 10_000,
  /** Effects refused without a record in one turn: a bare yield, or any effect when the journal is full. */
  refusalsMax: 100,
  /** Depth of instances calling instances. */
  nestingMax: 100,
  /** Awake instances, asleep ones among them, before the longest asleep leave memory. */
  residentsMax: 10_000,
  /** UTF-16 units of deltas after which no more commits join a batch. */
  batchLengthMax: 4_194_304,
  /** Further tries to load, decode and replay an instance before it is stuck. */
  restartsMax: 3,
  /** Crashes during which one step was in flight before its instance is stuck. */
  interruptionsMax: 10,
  /** Steps that were in flight at this many crashes begin so far from each other, and all of them within that. */
  suspectCrashes: 4,
  suspectSpacingMs: 100,
  suspectsMs: 10_000,
  /** The longest duration: 100 years. */
  durationMsMax: 100 * 366 * 86_400_000,
  /** Duration strings whose reading is remembered. */
  durationsCachedMax: 1_000,

  // The JSON store.
  /** Log behind the last checkpoint before the next one begins: at least this, at most that, and half the checkpoint in between. */
  storeLogBytesMin: 8 * 1_048_576,
  storeLogBytesMax: 64 * 1_048_576,
  /** What shards are kept near to: they are split when they hold more on average. */
  storeShardBytes: 262_144,
  storeShardRows: 1_024,
  /** Deltas of one row in a checkpoint before they are folded into one. */
  storeRowDeltasMax: 16,
  /** What a checkpoint does before it lets others run: copying a row is 1, making it anew so much more, and 1 for so many bytes. */
  storeSliceWork: 500,
  /** How many times that when the log has become much longer than it should. */
  storeHasteMax: 8,
  storeFoldWork: 20,
  storeFoldBytes: 256,
  /** Shards that are loaded at once while a store opens. */
  storeLoadsMax: 16,
  /** Shards that a checkpoint writes at once. */
  storeWritesMax: 8,
  /** Shards that stay open for reading. */
  storeFilesOpenMax: 1_024,
  /** Problems of a store that a report names one by one. */
  storeProblemsMax: 1_000,
  /** How often the reading of a store in use is begun again when a checkpoint takes its files away. */
  storeReadingsMax: 50,
  /** Files held open while a store is read, so that no checkpoint can take them away. */
  storeFilesHeldMax: 4_096,
  /** Bytes of log that are held at once while a store is verified. */
  storeTailBytesMax: 32 * 1_048_576,
  /** What is read of a store at once. */
  storeReadBytes: 262_144,
} as const;
