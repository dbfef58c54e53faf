// `me`, `principals`, `keys` and `tenants`.
#include <algorithm>
#include <memory>

#include "client/cli/flags.h"
#include "client/cli/verbs.h"
#include "json/quotas.h"

namespace headrace::cli {

namespace {

void add_principal_verbs(CLI::App& app, Invocation* invocation) {
  CLI::App* noun = app.add_subcommand("principals", "who may do what in a tenant");
  noun->require_subcommand(1);
  using RunPrincipals = int (*)(const ConnectArguments&, const PrincipalArguments&);
  const auto verb = [&](const char* name, const char* help, RunPrincipals run) {
    auto given = std::make_shared<PrincipalArguments>();
    CLI::App* sub = noun->add_subcommand(name, help);
    sub->callback([invocation, given, run] {
      invocation->action = [invocation, given, run] { return run(invocation->connect, *given); };
    });
    return std::pair(sub, given.get());
  };
  const auto add_name = [](CLI::App* sub, PrincipalArguments* given) {
    sub->add_option("principal", given->principal, "its name")->required();
  };
  const auto add_settings = [](CLI::App* sub, PrincipalArguments* given) {
    sub->add_option("--role", given->roles,
                    "producer, consumer, operator, auditor, admin, owner or monitor; "
                    "ROLE:PREFIX for the topics whose names begin so, producer:PREFIX:TYPES "
                    "for events whose types begin so; may be repeated");
    sub->add_option("--subject", given->subjects,
                    "of a client certificate, RFC 2253; may be repeated");
  };
  const auto [create, made] = verb("create", "a new one, without credentials", create_principal);
  add_name(create, made);
  add_settings(create, made);
  create->add_flag("--platform", made->platform,
                   "of tenant default: may make tenants, and act in any by --as-tenant");
  create->add_flag("--if-missing", made->if_missing, "an equal one is fine");
  create->add_flag("--password-stdin", made->password_stdin,
                   "with a password, the first line of standard input");
  verb("ls", "the principals of the tenant", list_principals);
  const auto [describe, described] = verb("describe", "one of them", list_principals);
  add_name(describe, described);
  const auto [update, changed] =
      verb("update", "other roles or subjects, instead of those it has", update_principal);
  add_name(update, changed);
  add_settings(update, changed);
  update->add_option("--platform", changed->platform, "true or false");
  update->add_option("--disabled", changed->disabled, "true: nobody comes in as this one");
  const auto [password, secret] =
      verb("password", "another one, asked for or read; open connections end", set_password);
  add_name(password, secret);
  password->add_flag("--password-stdin", secret->password_stdin,
                     "the first line of standard input");
  password->add_flag("--remove", secret->no_password, "none any more");
  const auto [remove, removed] = verb("delete", "with its keys", delete_principal);
  add_name(remove, removed);
}

void add_key_verbs(CLI::App& app, Invocation* invocation) {
  CLI::App* noun = app.add_subcommand("keys", "API keys of principals");
  noun->require_subcommand(1);
  auto given = std::make_shared<KeyArguments>();
  const auto run = [invocation, given](int (*verb)(const ConnectArguments&, const KeyArguments&)) {
    return [invocation, given, verb] {
      invocation->action = [invocation, given, verb] { return verb(invocation->connect, *given); };
    };
  };
  CLI::App* create = noun->add_subcommand("create", "a new key, which is shown this once");
  create->add_option("principal", given->principal, "whose it is")->required();
  add_duration_ms(create, "--expires", &given->expires_ms, "after so long [never]");
  create->add_option("--note", given->note, "where it is used, for people");
  create->callback(run(create_key));
  CLI::App* list = noun->add_subcommand("ls", "ids, expiry and last use; never the keys");
  list->add_option("principal", given->principal, "only of this one");
  list->callback(run(list_keys));
  CLI::App* revoke = noun->add_subcommand("revoke", "end a key, at once or later");
  revoke->add_option("key", given->key, "its id")->required();
  add_duration_ms(revoke, "--after", &given->after_ms, "so that a new one can be spread [now]");
  revoke->callback(run(revoke_key));
}

void add_tenant_verbs(CLI::App& app, Invocation* invocation) {
  CLI::App* noun = app.add_subcommand("tenants", "for platform admins");
  noun->require_subcommand(1);
  auto given = std::make_shared<TenantArguments>();
  using Run = int (*)(const ConnectArguments&, const TenantArguments&);
  const auto verb = [&](const char* name, const char* help, Run run, bool named) {
    CLI::App* sub = noun->add_subcommand(name, help);
    if (named) sub->add_option("tenant", given->tenant, "its name")->required();
    sub->callback([invocation, given, run] {
      given->reason = invocation->connect.reason;
      invocation->action = [invocation, given, run] { return run(invocation->connect, *given); };
    });
    return sub;
  };
  verb("create", "a new one", create_tenant, true)
      ->add_flag("--if-missing", given->if_missing, "one that exists is fine");
  verb("ls", "all of them", list_tenants, false);
  verb("describe", "one of them", list_tenants, true);
  CLI::App* update =
      verb("update", "its quotas and its weight; --reason is audited", set_quotas, true);
  const auto add_quota = [&](std::string_view name, const std::string& help) {
    std::string flag = "--" + std::string(name);
    std::ranges::replace(flag, '_', '-');
    update->add_option_function<std::string>(
        flag, [given, name](const std::string& text) { given->quotas[std::string(name)] = text; },
        help);
  };
  for (const QuotaField& field : kQuotaFields) {
    add_quota(field.name, "most " + std::string(field.text) + "; `none`: no limit");
  }
  add_quota("weight", "share beside other tenants, where all want more: 1 to 1000");
  verb("suspend", "let nobody of it in; --reason is audited", suspend_tenant, true);
  verb("resume", "let them in again", resume_tenant, true);
  verb("delete", "with all that it has; the answer is the receipt", delete_tenant, true)
      ->add_option("--confirm", given->confirm, "its name once more");
}

}  // namespace

void add_access_verbs(CLI::App& app, Invocation* invocation) {
  CLI::App* me = app.add_subcommand("me", "who you are to the broker, and what you may do");
  me->callback(
      [invocation] { invocation->action = [invocation] { return show_me(invocation->connect); }; });
  CLI::App* quotas = app.add_subcommand("quotas", "what your tenant may use, and uses");
  quotas->callback([invocation] {
    invocation->action = [invocation] { return show_quotas(invocation->connect); };
  });
  CLI::App* test = app.add_subcommand(
      "pentest", "try to break out of a tenant and of a role; makes and removes two tenants");
  test->callback(
      [invocation] { invocation->action = [invocation] { return pentest(invocation->connect); }; });
  add_principal_verbs(app, invocation);
  add_key_verbs(app, invocation);
  add_tenant_verbs(app, invocation);
}

}  // namespace headrace::cli
