// SPDX-License-Identifier: Apache-2.0
#include "trust/certificate.h"

#include <ctime>
#include <memory>
#include <string>
#include <utility>

#include <arpa/inet.h>
#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/obj_mac.h>
#include <openssl/pem.h>

namespace tetrarch::trust {
namespace {

void free_extensions(STACK_OF(X509_EXTENSION) * list) {
  sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
}

std::time_t seconds_of(TimePoint time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

TimePoint time_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) {
    return {};
  }
  const auto day =
      std::chrono::sys_days(std::chrono::year(parts.tm_year + 1900) /
                            std::chrono::month(static_cast<unsigned>(parts.tm_mon) + 1) /
                            std::chrono::day(static_cast<unsigned>(parts.tm_mday)));
  return day + std::chrono::hours(parts.tm_hour) + std::chrono::minutes(parts.tm_min) +
         std::chrono::seconds(parts.tm_sec);
}

std::string string_of(const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
          static_cast<std::size_t>(ASN1_STRING_length(text))};
}

/// Random, positive, of 127 bits, so that no two certificates share one.
bool set_serial(X509* certificate) {
  const std::unique_ptr<BIGNUM, OpensslFree<BN_free>> number(BN_new());
  return number != nullptr &&
         BN_rand(number.get(), 127, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
         BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

/// `text` is a constant of ours: OpenSSL's configuration syntax must not see what others wrote.
bool add_extension(X509* certificate, X509V3_CTX* context, int nid, const char* text) {
  const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, context, nid, text));
  return extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool add_dns_name(GENERAL_NAMES* names, const std::string& text) {
  ASN1_IA5STRING* value = ASN1_IA5STRING_new();
  GENERAL_NAME* name = GENERAL_NAME_new();
  if (value == nullptr || name == nullptr ||
      ASN1_STRING_set(value, text.data(), static_cast<int>(text.size())) != 1) {
    ASN1_IA5STRING_free(value);
    GENERAL_NAME_free(name);
    return false;
  }
  GENERAL_NAME_set0_value(name, GEN_DNS, value);
  return sk_GENERAL_NAME_push(names, name) > 0;
}

bool add_ip(GENERAL_NAMES* names, const std::string& text) {
  ASN1_OCTET_STRING* value = a2i_IPADDRESS(text.c_str());
  GENERAL_NAME* name = GENERAL_NAME_new();
  if (value == nullptr || name == nullptr) {
    ASN1_OCTET_STRING_free(value);
    GENERAL_NAME_free(name);
    return false;
  }
  GENERAL_NAME_set0_value(name, GEN_IPADD, value);
  return sk_GENERAL_NAME_push(names, name) > 0;
}

Status add_alternative_names(X509* certificate, const ServerNames& names) {
  if (names.dns.empty() && names.ips.empty()) {
    return ok();
  }
  const AltNamesPtr list(sk_GENERAL_NAME_new_null());
  for (const auto& dns : names.dns) {
    const bool is_ascii =
        dns.find_first_not_of(
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._*") ==
        std::string::npos;
    if (dns.empty() || !is_ascii || !add_dns_name(list.get(), dns)) {
      return Error{Code::invalid, "not a DNS name that a certificate can carry: " + dns};
    }
  }
  for (const auto& ip : names.ips) {
    if (!add_ip(list.get(), ip)) {
      openssl_error(Code::invalid, "");
      return Error{Code::invalid, "not an IP address: " + ip};
    }
  }
  if (X509_add1_ext_i2d(certificate, NID_subject_alt_name, list.get(), 0, X509V3_ADD_DEFAULT) !=
      1) {
    return openssl_error(Code::internal, "cannot add names to a certificate");
  }
  return ok();
}

bool add_extensions(X509* certificate, X509* issuer, const CertificateTerms& terms) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  if (terms.is_ca) {
    return add_extension(certificate, &context, NID_basic_constraints, "critical,CA:TRUE") &&
           add_extension(certificate,
                         &context,
                         NID_key_usage,
                         "critical,digitalSignature,keyCertSign,cRLSign") &&
           add_extension(certificate, &context, NID_subject_key_identifier, "hash");
  }
  const char* usage = terms.is_client && terms.is_server ? "serverAuth,clientAuth"
                      : terms.is_server                  ? "serverAuth"
                                                         : "clientAuth";
  return add_extension(certificate, &context, NID_basic_constraints, "critical,CA:FALSE") &&
         add_extension(certificate, &context, NID_key_usage, "critical,digitalSignature") &&
         add_extension(certificate, &context, NID_ext_key_usage, usage) &&
         add_extension(certificate, &context, NID_authority_key_identifier, "keyid:always");
}

/// What is neither of 4 nor of 16 bytes is no address.
void add_address(const std::string& bytes, std::vector<std::string>& out) {
  char text[INET6_ADDRSTRLEN] = {};
  const bool is_address = bytes.size() == 4 || bytes.size() == 16;
  const int family = bytes.size() == 4 ? AF_INET : AF_INET6;
  if (is_address && inet_ntop(family, bytes.data(), text, sizeof(text)) != nullptr) {
    out.emplace_back(text);
  }
}

/// Whether there are names of other types.
bool read_names(const GENERAL_NAMES* list, ServerNames& out) {
  bool has_others = false;
  for (int i = 0; list != nullptr && i < sk_GENERAL_NAME_num(list); ++i) {
    int type = 0;
    const auto* value = static_cast<const ASN1_STRING*>(
        GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(list, i), &type));
    if (type == GEN_DNS) {
      out.dns.push_back(string_of(value));
    } else if (type == GEN_IPADD) {
      add_address(string_of(value), out.ips);
    } else {
      has_others = true;
    }
  }
  return has_others;
}

Subject subject_of(const X509_NAME* name) {
  Subject out;
  for (int i = 0; i < X509_NAME_entry_count(name); ++i) {
    const X509_NAME_ENTRY* entry = X509_NAME_get_entry(name, i);
    const int nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
    if (nid == NID_commonName) {
      out.common_name = string_of(X509_NAME_ENTRY_get_data(entry));
    } else if (nid == NID_organizationName) {
      out.organizations.push_back(string_of(X509_NAME_ENTRY_get_data(entry)));
    }
  }
  return out;
}

using ExtensionsPtr = std::unique_ptr<STACK_OF(X509_EXTENSION), OpensslFree<free_extensions>>;

}  // namespace

Result<NamePtr> make_name(const Subject& subject) {
  if (subject.common_name.empty()) {
    return Error{Code::invalid, "a certificate needs a common name"};
  }
  NamePtr name(X509_NAME_new());
  // As UTF8String: OpenSSL then does not enforce the 64 characters of X.520, which user names of
  // nodes exceed.
  const auto add = [&](int nid, const std::string& text) {
    return X509_NAME_add_entry_by_NID(name.get(),
                                      nid,
                                      V_ASN1_UTF8STRING,
                                      reinterpret_cast<const unsigned char*>(text.data()),
                                      static_cast<int>(text.size()),
                                      -1,
                                      0) == 1;
  };
  bool is_good = name != nullptr;
  for (const auto& organization : subject.organizations) {
    is_good = is_good && add(NID_organizationName, organization);
  }
  if (!is_good || !add(NID_commonName, subject.common_name)) {
    return openssl_error(Code::internal, "cannot make a certificate's subject");
  }
  return name;
}

Result<CertificatePtr> make_certificate(const CertificateTerms& terms,
                                        EVP_PKEY* key,
                                        X509* issuer,
                                        EVP_PKEY* issuer_key) {
  TRY(const auto name, make_name(terms.subject));
  CertificatePtr certificate(X509_new());
  X509* made = certificate.get();
  X509* signer = issuer == nullptr ? made : issuer;
  const bool is_filled =
      made != nullptr && X509_set_version(made, X509_VERSION_3) == 1 && set_serial(made) &&
      X509_set_subject_name(made, name.get()) == 1 &&
      X509_set_issuer_name(made, X509_get_subject_name(signer)) == 1 &&
      ASN1_TIME_set(X509_getm_notBefore(made), seconds_of(terms.not_before)) != nullptr &&
      ASN1_TIME_set(X509_getm_notAfter(made), seconds_of(terms.not_after)) != nullptr &&
      X509_set_pubkey(made, key) == 1 && add_extensions(made, signer, terms);
  if (!is_filled) {
    return openssl_error(Code::internal, "cannot make a certificate");
  }
  TRY_STATUS(add_alternative_names(made, terms.names));
  if (X509_sign(made, issuer_key, EVP_sha256()) == 0) {
    return openssl_error(Code::internal, "cannot sign a certificate");
  }
  return certificate;
}

Result<CertificatePtr> certificate_from_pem(std::string_view pem) {
  CertificatePtr certificate(
      PEM_read_bio_X509(reader_of(pem).get(), nullptr, refuse_password, nullptr));
  if (certificate == nullptr) {
    return openssl_error(Code::invalid, "cannot read a certificate");
  }
  return certificate;
}

Result<std::string> certificate_to_pem(X509* certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (bio == nullptr || PEM_write_bio_X509(bio.get(), certificate) != 1) {
    return openssl_error(Code::internal, "cannot write a certificate");
  }
  return text_of(bio.get());
}

CertificateInfo describe(X509* certificate) {
  CertificateInfo out;
  out.subject = subject_of(X509_get_subject_name(certificate));
  const AltNamesPtr list(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  read_names(list.get(), out.names);
  out.not_before = time_of(X509_get0_notBefore(certificate));
  out.not_after = time_of(X509_get0_notAfter(certificate));
  out.is_ca = X509_check_ca(certificate) == 1;
  const auto usage = X509_get_extension_flags(certificate) & EXFLAG_XKUSAGE
                         ? X509_get_extended_key_usage(certificate)
                         : 0U;
  out.is_client = (usage & XKU_SSL_CLIENT) != 0;
  out.is_server = (usage & XKU_SSL_SERVER) != 0;
  return out;
}

RequestInfo describe(X509_REQ* request) {
  RequestInfo out;
  out.subject = subject_of(X509_REQ_get_subject_name(request));
  const ExtensionsPtr extensions(X509_REQ_get_extensions(request));
  if (extensions != nullptr) {
    const AltNamesPtr list(static_cast<GENERAL_NAMES*>(
        X509V3_get_d2i(extensions.get(), NID_subject_alt_name, nullptr, nullptr)));
    out.has_other_names = read_names(list.get(), out.names);
  }
  return out;
}

}  // namespace tetrarch::trust
