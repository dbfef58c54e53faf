// me; principals create / ls / describe / update / delete; keys create / ls / revoke
#include <sys/stat.h>
#include <unistd.h>

#include "client/access.h"
#include "client/cli/connect.h"
#include "client/cli/session.h"
#include "client/cli/verbs.h"
#include "json/access.h"
#include "metrics/quantity.h"

namespace headrace::cli {
namespace {

std::string text_of_roles(const google::protobuf::RepeatedPtrField<proto::Grant>& grants,
                          bool platform) {
  std::string text;
  for (const auto& grant : grants) {
    if (!text.empty()) text += ", ";
    text += role_text(grant);
  }
  if (platform) text += text.empty() ? "platform admin" : ", platform admin";
  return text.empty() ? "-" : text;
}

std::string time_or(int64_t time_us, const char* otherwise) {
  return time_us > 0 ? format_time_us(time_us) : otherwise;
}

// ROLE, ROLE:TOPICS or ROLE:TOPICS:TYPES; the broker knows the roles.
template <class Message>
void add_grants(const std::vector<std::string>& roles, Message* to) {
  for (const std::string& role : roles) {
    const size_t colon = role.find(':');
    auto* grant = to->add_grants();
    grant->set_role(role.substr(0, colon));
    if (colon == std::string::npos) continue;
    const size_t second = role.find(':', colon + 1);
    grant->set_topics(role.substr(colon + 1, second - colon - 1));
    if (second != std::string::npos) grant->set_types(role.substr(second + 1));
  }
}

client::Error check_roles(const std::vector<std::string>& roles) {
  for (const std::string& role : roles) {
    if (role.ends_with(':')) {
      return client::bad_argument("--role: '" + role +
                                  "' has no prefix; for all topics leave the colon out");
    }
  }
  return {};
}

int show_principal(const ConnectArguments& connect, const proto::Principal& principal,
                   const char* what) {
  std::string out;
  if (connect.json) {
    JsonLine line(&out);
    principal_fields(&line, principal);
    line.end();
  } else {
    out = what + principal.name() + ": " + text_of_roles(principal.grants(), principal.platform()) +
          (principal.disabled() ? ", disabled" : "") + "\n";
  }
  print(out);
  return kDone;
}

// From standard input, or asked for twice; empty: none was wanted.
client::Result<std::string> new_password(const PrincipalArguments& given, bool ask) {
  if (given.password_stdin) return read_secret("-", "--password-stdin");
  if (!ask) return std::string();
  auto first = ask_secret("new password of " + given.principal + ": ");
  if (!first.ok()) return first;
  const auto second = ask_secret("once more: ");
  if (second.ok() && second.value != first.value) {
    return client::bad_argument("these were two different ones");
  }
  return first;
}

int put_password(const ConnectArguments& connect, client::Client& client,
                 const std::string& principal, const std::string& password, const char* what) {
  const auto reply = client::set_password(client, principal, password);
  if (!reply.ok()) return report(reply.error);
  if (reply->anonymous_ends()) {
    std::fputs("from now on the broker lets nobody in without credentials\n", stderr);
  }
  return show_principal(connect, reply->principal(), what);
}

}  // namespace

int show_me(const ConnectArguments& connect) {
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  const auto me = client::me(*client.value);
  if (!me.ok()) return report(me.error);
  std::string out;
  if (connect.json) {
    JsonLine line(&out);
    me_fields(&line, me.value);
    line.end();
  } else {
    out = me->principal() + " in tenant " + me->tenant() + ": " +
          text_of_roles(me->grants(), me->platform()) + "\n";
    if (me->anonymous()) out += "came in without credentials: this listener lets everybody in\n";
    if (me->password()) out += "by password\n";
    if (!me->key().empty()) {
      out += "by API key " + me->key() + ", which expires " +
             time_or(me->key_expires_us(), "never") + "\n";
    }
    if (!me->reason().empty()) out += "as another tenant, because: " + me->reason() + "\n";
  }
  print(out);
  return kDone;
}

int create_principal(const ConnectArguments& connect, const PrincipalArguments& given) {
  if (const auto wrong = check_roles(given.roles)) return report(wrong);
  const auto secret = new_password(given, /*ask=*/false);
  if (!secret.ok()) return report(secret.error);
  proto::CreatePrincipal request;
  request.set_name(given.principal);
  add_grants(given.roles, &request);
  for (const auto& subject : given.subjects) request.add_subjects(subject);
  request.set_platform(given.platform.value_or(false));
  request.set_if_missing(given.if_missing);
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  const auto reply = client::create_principal(*client.value, request);
  if (!reply.ok()) return report(reply.error);
  const char* what = reply->created() ? "created " : "exists already: ";
  if (secret->empty()) return show_principal(connect, reply->principal(), what);
  return put_password(connect, *client.value, given.principal, secret.value, what);
}

int update_principal(const ConnectArguments& connect, const PrincipalArguments& given) {
  if (const auto wrong = check_roles(given.roles)) return report(wrong);
  proto::UpdatePrincipal request;
  request.set_name(given.principal);
  if (!given.roles.empty()) add_grants(given.roles, request.mutable_grants());
  for (const auto& subject : given.subjects) request.mutable_subjects()->add_subjects(subject);
  if (given.platform) request.set_platform(*given.platform);
  if (given.disabled) request.set_disabled(*given.disabled);
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  const auto reply = client::update_principal(*client.value, request);
  if (!reply.ok()) return report(reply.error);
  return show_principal(connect, reply->principal(), "");
}

int set_password(const ConnectArguments& connect, const PrincipalArguments& given) {
  if (given.no_password) {
    const auto client = make_client(connect);
    if (!client.ok()) return report(client.error);
    const auto reply = client::delete_password(*client.value, given.principal);
    if (!reply.ok()) return report(reply.error);
    return show_principal(connect, reply->principal(), "no password any more: ");
  }
  const auto secret = new_password(given, /*ask=*/true);
  if (!secret.ok()) return report(secret.error);
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  return put_password(connect, *client.value, given.principal, secret.value, "has a password: ");
}

int list_principals(const ConnectArguments& connect, const PrincipalArguments& given) {
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  std::string out;
  Table table({"PRINCIPAL", "ROLES", "KEYS", "STATE", "CREATED"});
  proto::ListPrincipals request;
  request.set_name(given.principal);
  request.set_page_size(100);
  bool more = true;
  while (more) {
    const auto page = client::list_principals(*client.value, request);
    if (!page.ok()) return report(page.error);
    for (const auto& principal : page->principals()) {
      request.set_after(principal.name());
      if (connect.json) {
        JsonLine line(&out);
        principal_fields(&line, principal);
        line.end();
        continue;
      }
      table.row(
          {principal.name(), text_of_roles(principal.grants(), principal.platform()),
           std::to_string(principal.keys()) + (principal.password_set_us() > 0 ? ", password" : ""),
           principal.disabled() ? "disabled" : "active", format_time_us(principal.created_us())});
    }
    more = page->more();
  }
  print(connect.json ? out : table.text());
  return kDone;
}

int delete_principal(const ConnectArguments& connect, const PrincipalArguments& given) {
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  const auto reply = client::delete_principal(*client.value, given.principal);
  if (!reply.ok()) return report(reply.error);
  std::string out = "deleted " + given.principal + "\n";
  if (connect.json) {
    out.clear();
    JsonLine(&out).text("principal", given.principal).boolean("deleted", true).end();
  }
  print(out);
  return kDone;
}

// ---- keys

namespace {

// `keys create … > FILE`: the shell has made it readable for everybody, as the umask says. Only one
// that is still empty is ours to change.
void hide_new_file() {
  struct stat file {};
  if (fstat(STDOUT_FILENO, &file) != 0 || !S_ISREG(file.st_mode) || file.st_size != 0) return;
  if (fchmod(STDOUT_FILENO, S_IRUSR | S_IWUSR) != 0) {
    std::fputs("headrace: others may be able to read the file with the key\n", stderr);
  }
}

}  // namespace

int create_key(const ConnectArguments& connect, const KeyArguments& given) {
  proto::CreateKey request;
  request.set_principal(given.principal);
  request.set_note(given.note);
  if (given.expires_ms) request.set_expires_after_ms(*given.expires_ms);
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  const auto made = client::create_key(*client.value, request);
  if (!made.ok()) return report(made.error);
  hide_new_file();
  std::string out;
  if (connect.json) {
    JsonLine line(&out);
    key_fields(&line, made->key());
    line.text("secret", made->secret()).boolean("anonymous_ends", made->anonymous_ends()).end();
  } else {
    out = made->secret() + "\n";  // alone, so that it can be redirected into a file
    std::fprintf(stderr,
                 "key %s of principal %s; it is shown this once, expires %s\n"
                 "use it by HEADRACE_API_KEY or --api-key-file\n",
                 made->key().id().c_str(), given.principal.c_str(),
                 time_or(made->key().expires_us(), "never").c_str());
  }
  if (made->anonymous_ends()) {
    std::fputs("from now on the broker lets nobody in without credentials\n", stderr);
  }
  print(out);
  return kDone;
}

int list_keys(const ConnectArguments& connect, const KeyArguments& given) {
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  const auto reply = client::list_keys(*client.value, given.principal);
  if (!reply.ok()) return report(reply.error);
  std::string out;
  Table table({"KEY", "PRINCIPAL", "CREATED", "EXPIRES", "LAST USED", "NOTE"});
  for (const auto& key : reply->keys()) {
    if (connect.json) {
      JsonLine line(&out);
      key_fields(&line, key);
      line.end();
      continue;
    }
    table.row({key.id(), key.principal(), format_time_us(key.created_us()),
               time_or(key.expires_us(), "never"), time_or(key.last_used_us(), "-"), key.note()});
  }
  print(connect.json ? out : table.text());
  return kDone;
}

int revoke_key(const ConnectArguments& connect, const KeyArguments& given) {
  const auto client = make_client(connect);
  if (!client.ok()) return report(client.error);
  const auto reply = client::revoke_key(*client.value, given.key, given.after_ms);
  if (!reply.ok()) return report(reply.error);
  std::string out = "key " + given.key + " of " + reply->principal() +
                    (given.after_ms > 0 ? " ends " + format_time_us(reply->expires_us())
                                        : std::string(" is revoked")) +
                    "\n";
  if (connect.json) {
    out.clear();
    JsonLine(&out)
        .text("key", given.key)
        .text("principal", reply->principal())
        .text("expires", format_time_us(reply->expires_us()))
        .end();
  }
  print(out);
  return kDone;
}

}  // namespace headrace::cli
