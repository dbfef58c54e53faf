// The verbs of the command line: each does its work and returns the exit code. Main thread.
#pragma once

#include "client/cli/arguments.h"
#include "client/cli/cli.h"

namespace headrace::cli {

int create_topic(const ConnectArguments& connect, const TopicArguments& given);
int list_topics(const ConnectArguments& connect, const TopicArguments& given);
int describe_topic(const ConnectArguments& connect, const TopicArguments& given);
int delete_topic(const ConnectArguments& connect, const TopicArguments& given);
int list_delayed(const ConnectArguments& connect, const TopicArguments& given);
int cancel_delayed(const ConnectArguments& connect, const TopicArguments& given);

int publish(const ConnectArguments& connect, const PublishArguments& given);
int consume(const ConnectArguments& connect, const ConsumeArguments& given);

int list_groups(const ConnectArguments& connect, const GroupArguments& given);
int describe_group(const ConnectArguments& connect, const GroupArguments& given);
int delete_group(const ConnectArguments& connect, const GroupArguments& given);

int create_group(const ConnectArguments& connect, const GroupArguments& given);
int update_group(const ConnectArguments& connect, const GroupArguments& given);
int enable_group(const ConnectArguments& connect, const GroupArguments& given);
int disable_group(const ConnectArguments& connect, const GroupArguments& given);
int probe_group(const ConnectArguments& connect, const GroupArguments& given);
int subscribe(const ConnectArguments& connect, const SubscribeArguments& given);
int list_dead_letters(const ConnectArguments& connect, const DeadLetterArguments& given);
int delete_dead_letters(const ConnectArguments& connect, const DeadLetterArguments& given);
int purge_dead_letters(const ConnectArguments& connect, const DeadLetterArguments& given);
int get_dead_letter(const ConnectArguments& connect, const DeadLetterArguments& given);

int list_events(const ConnectArguments& connect, const EventsArguments& given);
int get_event(const ConnectArguments& connect, const EventsArguments& given);
int explain(const ConnectArguments& connect, const EventsArguments& given);
int list_types(const ConnectArguments& connect, const EventsArguments& given);
int list_audit(const ConnectArguments& connect, const AuditArguments& given);
int verify_audit(const ConnectArguments& connect, const AuditArguments& given);
int export_audit(const ConnectArguments& connect);
int start_replay(const ConnectArguments& connect, const ReplayArguments& given);
int redrive(const ConnectArguments& connect, const RedriveArguments& given);
int list_jobs(const ConnectArguments& connect, const JobArguments& given);
int show_job(const ConnectArguments& connect, const JobArguments& given);
int control_job(const ConnectArguments& connect, const JobArguments& given);

int register_schema(const ConnectArguments& connect, const SchemaArguments& given);
int list_schemas(const ConnectArguments& connect, const SchemaArguments& given);
int show_schema(const ConnectArguments& connect, const SchemaArguments& given);
int delete_schema(const ConnectArguments& connect, const SchemaArguments& given);
int diff_schemas(const ConnectArguments& connect, const SchemaArguments& given);
int check_event(const ConnectArguments& connect, const SchemaArguments& given);
int update_schema_type(const ConnectArguments& connect, const SchemaArguments& given);

int show_me(const ConnectArguments& connect);
int create_principal(const ConnectArguments& connect, const PrincipalArguments& given);
int update_principal(const ConnectArguments& connect, const PrincipalArguments& given);
int list_principals(const ConnectArguments& connect, const PrincipalArguments& given);
int set_password(const ConnectArguments& connect, const PrincipalArguments& given);
int delete_principal(const ConnectArguments& connect, const PrincipalArguments& given);
int create_key(const ConnectArguments& connect, const KeyArguments& given);
int list_keys(const ConnectArguments& connect, const KeyArguments& given);
int revoke_key(const ConnectArguments& connect, const KeyArguments& given);
int create_tenant(const ConnectArguments& connect, const TenantArguments& given);
int list_tenants(const ConnectArguments& connect, const TenantArguments& given);
int suspend_tenant(const ConnectArguments& connect, const TenantArguments& given);
int resume_tenant(const ConnectArguments& connect, const TenantArguments& given);
int delete_tenant(const ConnectArguments& connect, const TenantArguments& given);
int set_quotas(const ConnectArguments& connect, const TenantArguments& given);
int show_quotas(const ConnectArguments& connect);

int list_months(const ConnectArguments& connect, const MonthArguments& given);
int export_month(const ConnectArguments& connect, const MonthArguments& given);
int import_month(const ConnectArguments& connect, const MonthArguments& given);
int drop_month(const ConnectArguments& connect, const MonthArguments& given);

int pentest(const ConnectArguments& connect);
int smoke(const ConnectArguments& connect);
int doctor(const ConnectArguments& connect);
int doctor_offline(const Examination& found, bool json);
int version(const ConnectArguments& connect);
int back_up(const ConnectArguments& connect);
int list_backups(const ConnectArguments& connect);
int reload(const ConnectArguments& connect);
int set_log_level(const ConnectArguments& connect, const std::string& level);

}  // namespace headrace::cli
