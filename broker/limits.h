// Every bound of the broker and how they relate. A queue without a row here does not exist. What
// happens at the bound is said beside it. Where tenants share one (*) each may have half of what
// the others leave (storage/fair_bound.h).
#pragma once

#include <cstddef>
#include <cstdint>

namespace headrace::limits {

// ---- names and catalog (at the bound: limit_reached, naming the limit)
constexpr size_t kNameMax = 249;
constexpr uint32_t kTopicsPerTenant = 10'000;
constexpr uint32_t kPartitionsPerTopic = 1'024;
constexpr uint32_t kGroupsPerTenant = 10'000;
constexpr uint32_t kTenants = 10'000;
constexpr uint32_t kPrincipalsPerTenant = 1'000;
constexpr uint32_t kKeysPerPrincipal = 16;
constexpr uint32_t kGrantsPerPrincipal = 64;
constexpr int64_t kKeyUseUs = 60'000'000;  // so often it is noted that a key is in use
constexpr size_t kKeysUsedKnown = 10'000;  // per reactor; then all are noted once more
constexpr int64_t kKeyLifeUsMax = int64_t{36'500} * 24 * 3600 * 1'000'000;
constexpr int64_t kRevokeAfterUsMax = int64_t{366} * 24 * 3600 * 1'000'000;
constexpr uint32_t kSubjectsPerPrincipal = 16;
constexpr uint32_t kPasswordIterations = 600'000;  // of PBKDF2: 0.15 s of whoever logs in
constexpr size_t kSaltBytes = 16;
constexpr size_t kPasswordJobs = 16;             // being derived; then busy
constexpr int64_t kPasswordToldUs = 60'000'000;  // so often a wrong one is audited
constexpr int64_t kAuthenticateUs = 10'000'000;  // for the exchange, on top of the handshake
constexpr uint32_t kMembersPerGroup = 1'000;

// ---- schemas (at the bound: limit_reached; what is wrong with one: invalid_schema)
constexpr uint32_t kSchemaTypesPerTenant = 1'000;
constexpr uint32_t kVersionsPerType = 100;
constexpr size_t kSchemaBytes = 256u << 10;             // of one version
constexpr size_t kSchemaBytesPerTenant = 16u << 20;     // of all of them
constexpr size_t kSchemaDepth = 64;                     // of a schema, or of a validated event
constexpr size_t kSchemaNodes = 20'000;                 // values in a JSON Schema
constexpr size_t kSchemaPatterns = 256;                 // regular expressions in one
constexpr int64_t kPatternMemory = 256u << 10;          // of one, compiled
constexpr size_t kSchemaJobs = 32;                      // under way, of all tenants (*); then busy
constexpr size_t kValidatedBytes = 1u << 20;            // of an event; larger: a violation
constexpr size_t kValidatedNodes = 100'000;             // values in one; more: a violation
constexpr size_t kValidationDepth = 200;                // subschemas within each other
constexpr int64_t kValidationSteps = 10'000;            // of an event, and for each byte ...
constexpr int64_t kValidationStepsPerByte = 16;         // ... so many; then a violation
constexpr int64_t kValidationStepsPerJob = 10'000'000;  // of all that a worker validates at once
constexpr size_t kPublishesPerValidation = 64;          // of one connection; then the next job
constexpr size_t kPublishesBehindValidation = 4'096;    // behind those; then busy
constexpr size_t kValidationCounts = 10'000;       // types counted in a shard; further ones are not
constexpr size_t kIssuesPerEvent = 8;              // told; there may be more
constexpr size_t kDifferences = 1'000;             // between two versions; then it ends
constexpr int64_t kDiffSteps = 100'000;            // likewise
constexpr size_t kCompiledSchemas = 256;           // per worker; the least used one goes
constexpr size_t kCompiledSchemaBytes = 8u << 20;  // of their texts; likewise

// ---- quotas of a tenant (out of range: invalid_request)
constexpr int64_t kQuotaMax = int64_t{1} << 53;  // every JSON reader has such numbers
constexpr uint32_t kTenantWeightMax = 1'000;
constexpr int64_t kQuotaBurstUs = 1'000'000;                         // of a rate may come at once
constexpr int64_t kQuotaDebtUsMax = int64_t{24} * 3600 * 1'000'000;  // of one request at a rate
constexpr int64_t kQuotaLookUs = 20'000;  // so soon a group at its tenant's in_flight looks again

// ---- one request
constexpr uint32_t kEventsPerPublish = 1'000;  // more: invalid_request
constexpr uint32_t kHeadersPerEvent = 64;      // more: invalid_request
constexpr uint32_t kFetchBytesDefault = 1u << 20;
constexpr uint32_t kFetchBytesMax = 8u << 20;   // more is cut to this
constexpr uint32_t kFetchWaitMsMax = 30'000;    // more is cut to this
constexpr size_t kInflateBytesMax = 16u << 20;  // more: undecodable
constexpr size_t kBatchBytesMax = 16u << 20;    // more: too_large

// ---- folding (at the bound: the batch is sealed and the next one begins)
constexpr size_t kFoldBytes = 64 * 1024;
constexpr int32_t kFoldEvents = 512;

// ---- a shard
constexpr size_t kSetsInFlight = 4;        // then the next set keeps growing ...
constexpr size_t kSetBytes = 1u << 20;     // ... up to this, then publishes wait for the one after
constexpr size_t kSharedSetsInFlight = 2;  // likewise, while several tenants publish
constexpr size_t kSharedSetBytes = 128u << 10;     // likewise
constexpr size_t kPublishesWaiting = 131'072;      // for a set, of all tenants (*); then busy
constexpr size_t kRequestsWhileLoading = 4'096;    // then busy
constexpr size_t kProducersPerPartition = 10'000;  // then the longest idle one is forgotten
constexpr int64_t kProducerIdleUs = int64_t{7} * 24 * 3600 * 1'000'000;
constexpr size_t kFetchWaitersPerPartition = 10'000;  // then busy

// ---- delayed events (at the bound: limit_reached; a delay above the maximum: invalid_request)
constexpr int64_t kDelayUsMax = int64_t{31} * 24 * 3600 * 1'000'000;
constexpr int64_t kDelayedPerPartition = 1'000'000;
constexpr int64_t kDelayedBytesPerPartition = int64_t{1} << 30;
constexpr size_t kDelayedHeads = 256;  // of a partition in memory; the rest is read again
constexpr size_t kDelayedHeadBytes = 256u << 10;  // likewise; the first one always fits
constexpr size_t kDueEventsPerSet = 512;          // then the next set
constexpr size_t kDueBytesPerSet = 1u << 20;      // likewise; the first one always fits
constexpr int64_t kDueLookUs = 1'000'000;   // so soon a wall clock that was set forward is noticed
constexpr int64_t kDueHeldBackUs = 50'000;  // while the store is behind or the disk is full

// ---- the audit trail as events of the topic $sys
constexpr int64_t kSystemEventsDelayUs = 100'000;    // what comes in so long is one publish
constexpr int64_t kSystemEventsAgainUs = 1'000'000;  // after one that was refused
constexpr size_t kSystemEventsPerPublish = 100;      // the rest with the next one
constexpr int64_t kSystemEventsAgeUs = int64_t{31} * 24 * 3600 * 1'000'000;  // of the topic
constexpr int64_t kSystemEventsBytes = int64_t{256} << 20;                   // likewise
constexpr int64_t kWarnAgainUs = 60'000'000;  // a group that comes and goes; then it is not told

// ---- counts by type (one type more: it counts as unknown)
constexpr size_t kRollupTypesPerTopic = 1'000;
constexpr int64_t kRollupSlotUs = int64_t{5} * 60 * 1'000'000;
constexpr int64_t kRollupWriteUs = 10'000'000;                     // a crash loses so much of them
constexpr int64_t kRollupViewUs = int64_t{24} * 3600 * 1'000'000;  // if nobody says
constexpr uint32_t kRollupSlotsKept = 2 * 288;                     // two days
constexpr uint32_t kRollupSlotsPerTrim = 12;                       // older ones go once an hour

// ---- recognising repeated events by their id (out of range: invalid_request)
constexpr int64_t kDedupWindowUsDefault = int64_t{120} * 1'000'000;
constexpr int64_t kDedupWindowUsMin = 1'000'000;
constexpr int64_t kDedupWindowUsMax = int64_t{7} * 24 * 3600 * 1'000'000;
constexpr uint32_t kDedupIdsDefault = 100'000;  // per partition; then the oldest is forgotten
constexpr uint32_t kDedupIdsMax = 1'000'000;

// ---- a reactor
constexpr size_t kMailboxLetters = 1'024;  // per pair; then busy (requests)
constexpr size_t kForeignRequests = 256;   // admin → reactor; then busy (HTTP 503)
constexpr int64_t kTurnEvents = 16'384;  // of acked groups, handed out, expired; then the next turn
constexpr int64_t kWheelTickUs = 1'000;
constexpr int64_t kWaitUsMax = 500'000;  // a reactor looks around at least twice a second

constexpr size_t kRecodesInFlight = 4;  // inflating for clients; the next connection then waits
constexpr size_t kReceiveBytes = 128u << 20;    // large frames arriving; then they wait, in order
constexpr size_t kSmallFrameBytes = 16u << 10;  // up to this a frame needs no grant

// ---- a connection
constexpr size_t kRequestsPerConnection = 4'096;          // then receiving pauses
constexpr size_t kInFlightBytesPerConnection = 8u << 20;  // publishes; then receiving pauses
constexpr size_t kOutputBytesPerConnection = 32u << 20;   // then receiving and pushing pause
constexpr size_t kSubscriptionsPerConnection = 1'024;
constexpr int64_t kHandshakeUs = 2'000'000;
constexpr int64_t kIdleUs = 30'000'000;
// A frame that is arriving is a sign of life if it brings this much within the idle time: a slow
// link is served, a trickle does not hold memory.
constexpr uint64_t kProgressBytes = 256u << 10;

// ---- groups
constexpr uint32_t kSessionTimeoutMsDefault = 10'000;
constexpr uint32_t kSessionTimeoutMsMin = 1'000;
constexpr uint32_t kSessionTimeoutMsMax = 300'000;
constexpr uint32_t kHeartbeatFraction = 3;  // heartbeat interval = timeout / 3

// ---- filters of a group (at the bound: invalid_request, naming the pattern or condition)
constexpr size_t kPatternsPerGroup = 16;
constexpr size_t kPatternBytes = kNameMax;
constexpr size_t kTokensPerPattern = 16;
constexpr size_t kStarsPerPattern = 4;  // before the last token; bounds what one type costs
constexpr size_t kConditionsPerGroup = 16;
constexpr size_t kConditionBytes = 8'192;
constexpr size_t kConditionValueBytes = 1'024;
constexpr size_t kTypesPerTopic = 10'000;  // remembered; further ones are matched each time

// ---- acked groups (options out of range: invalid_request)
constexpr uint32_t kRetriesMax = 100;
constexpr int64_t kRetryDelayUsMax = int64_t{31} * 24 * 3600 * 1'000'000;
constexpr int64_t kAckDeadlineUsMin = 100'000;
constexpr int64_t kAckDeadlineUsMax = int64_t{12} * 3600 * 1'000'000;
constexpr int64_t kCooldownUsMin = 100'000;
constexpr int64_t kCooldownUsMax = int64_t{600} * 1'000'000;  // doubling ends here
constexpr uint32_t kInFlightMax = 100'000;
constexpr int64_t kWindowOffsets = 65'536;  // of a partition, from the floor; then reading pauses
constexpr uint64_t kKeyRowsMax = 65'536;    // ordering = key: parked and behind them; likewise
constexpr uint32_t kDeadLettersMax = 10'000'000;
constexpr uint32_t kMemberWindowDefault = 500;
constexpr uint32_t kMemberWindowMax = 100'000;  // more is cut to this
constexpr size_t kSearchPartitions = 256;       // of one search
constexpr size_t kSearchRowsPerScan = 16;
constexpr size_t kSearchRows = 1'024;  // of chunks, for one page of a search; then it ends early
constexpr size_t kSearchLookupRows = 65'536;  // likewise, look-up rows
constexpr size_t kSearchLookupRowsPerScan = 1'024;
constexpr size_t kSearchSegmentsPerLook = 16;
constexpr size_t kSearchLookupBytesPerScan = 256u << 10;
constexpr size_t kSearchBytes = 32u << 20;        // likewise, of batches
constexpr size_t kSearchBytesPerRead = 4u << 20;  // the first one always fits
constexpr size_t kSearchBatchesPerRead = 32;
constexpr size_t kSearchReads = 2;  // at the same time, of the batches that are read at once
constexpr size_t kSearchRowsGoingOn = 256;
constexpr uint32_t kChunksPerSkip = 64;          // rows of chunks looked at in one read
constexpr uint32_t kEventsPerDelivery = 10'000;  // then the next delivery
constexpr size_t kOutcomesPerSettle = 10'000;    // more: invalid_request
constexpr uint32_t kPageSizeDefault = 50;
constexpr uint32_t kPageSizeMax = 100;      // more: invalid_request
constexpr size_t kPageBytes = 8u << 20;     // then the page ends early
constexpr size_t kAcquireBytes = 1u << 20;  // of one delivery; the first batch always fits
constexpr size_t kRetryHeads = 256;         // of a partition in memory; the rest is read again
constexpr size_t kDyingMax = 256;  // of a cursor on their way to the dead letters; then it reads on
constexpr size_t kBlockedMoves = 64;            // events of one turn into the dead letters, ...
constexpr size_t kBlockedMoveBytes = 4u << 20;  // ... or a set of this size; then the next turn
constexpr size_t kLettersPerPage = 256;  // of dead letters that are looked at, or removed in a set
constexpr size_t kLettersPerScan = 1'024;      // likewise, for a selection that matches rarely
constexpr size_t kLettersPerLook = 10'000;     // for one answer; then the cursor goes on
constexpr size_t kLettersPerDelete = 100;      // by id; more: invalid_request
constexpr size_t kLetterWalks = 4;             // counts and purges of a group at a time; then busy
constexpr size_t kConfirmationsPerGroup = 16;  // purges that were counted; then the oldest goes
constexpr int64_t kConfirmationUs = int64_t{300} * 1'000'000;
constexpr int64_t kRetentionPinUsMax = int64_t{31} * 24 * 3600 * 1'000'000;  // held for groups
constexpr uint32_t kRetentionMonthsMax = 12'000;                             // more is the same
constexpr size_t kSearchOffsets = 1'024;  // with a rare status, that one search in a group is given
constexpr size_t kSearchRounds = 8;       // of a search in a group; then its page ends early
constexpr size_t kExplainRows = 4'096;  // of parked events, for one answer; then its cursor goes on
constexpr size_t kExplainsWaiting = 64;     // of a group, for a commit; then busy
constexpr size_t kMismatchTextMax = 8'192;  // of an explanation; the rest is cut off
constexpr size_t kErrorTextMax = 1'024;     // of a failed attempt; the rest is cut off
constexpr uint32_t kReleasesBeforeFailure = 10;
constexpr int64_t kLazyFloorUs = 5'000'000;  // floors that only filters moved
constexpr uint32_t kFailuresBeforeQuarantine = 5;

// ---- jobs of an acked group: replay and redrive
constexpr size_t kJobsRunning = 4;          // at a time; further ones are queued
constexpr size_t kJobsOpen = 32;            // queued, running, paused; more: limit_reached
constexpr size_t kJobsKept = 100;           // completed ones, and failed or cancelled ones
constexpr size_t kJobLetters = 1'000;       // of a redrive by id; more: invalid_request
constexpr double kJobRateMax = 1'000'000;   // events a second
constexpr size_t kJobPageRows = 64;         // dead letters of one step
constexpr size_t kJobPageBytes = 1u << 20;  // of one step; the first row always fits
constexpr int64_t kJobCountBatches = 16;    // of one step of a dry run
constexpr int64_t kRateBurstUs = 100'000;   // what a late timer may make good

// ---- HTTP
constexpr size_t kHttpPageBytes = 1u << 20;        // of values; then a page ends early
constexpr uint32_t kHttpWaitMsMax = 20'000;        // of a long poll; more: invalid_request
constexpr size_t kHttpDeliveriesMax = 100;         // of one receive; more: invalid_request
constexpr size_t kHttpOutcomesMax = 1'000;         // of one settle; more: invalid_request
constexpr size_t kHttpMembers = 2'000;             // of acked groups, of all tenants (*); then busy
constexpr int64_t kHttpMemberIdleUs = 30'000'000;  // beyond the ack deadline; then it leaves
constexpr size_t kIdempotencyKeyMax = 255;         // bytes; more: invalid_request
// Answered requests of a caller, of a tenant, and of all of them: then the tenant's oldest one is
// forgotten, and of all of them that of the tenant which has most. Those under way are never
// forgotten: half as many of a caller, and of a tenant, then busy.
constexpr size_t kIdempotencyKeys = 20'000;
constexpr size_t kIdempotencyKeysPerTenant = 10'000;
constexpr size_t kIdempotencyKeysPerActor = 1'000;
constexpr size_t kIdempotencyBytes = 32u << 20;           // of answers, likewise
constexpr size_t kIdempotencyBytesPerTenant = 16u << 20;  // likewise
constexpr size_t kIdempotencyAnswerBytes = 64u << 10;     // larger ones are not kept
constexpr int64_t kIdempotencyUs = 3600ll * 1'000'000;    // then it is forgotten

static_assert(kFoldBytes <= kBatchBytesMax);
static_assert(kFetchBytesMax < kOutputBytesPerConnection, "one fetch reply must fit the output");
static_assert(kBatchBytesMax <= kOutputBytesPerConnection);
static_assert(kHandshakeUs < kIdleUs);
static_assert(kBatchBytesMax + (2u << 20) <= kReceiveBytes, "the largest frame must fit");

}  // namespace headrace::limits
