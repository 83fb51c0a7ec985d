--- The words by which people opt out, opt in and ask for help.
--
-- All in capitals, without accents and punctuation: `twilio_sms.keywords` brings messages into this form.
local M = {}

--- What Twilio's own filter acts on, English only: "Twilio support for opt-out keywords (SMS STOP
-- filtering)", https://help.twilio.com/articles/223134027. REVOKE and OPTOUT came on 2025-05-14.
M.strict = {
    stop = { "STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT" },
    start = { "START", "YES", "UNSTOP" },
    help = { "HELP", "INFO" },
}

--- Words that Twilio's Advanced Opt-Out does not let anybody give another meaning:
-- https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out
M.reserved = { "STOP", "START", "UNSTOP", "HELP" }

--- How the line begins that a program writes below a message by itself, in whatever language.
M.signatures = {
    "SENT FROM", "SENT VIA", "SENT WITH", "GET OUTLOOK FOR", "ENVIADO DESDE", "ENVIADO DO MEU",
    "ENVOYE DE MON", "GESENDET VON", "INVIATO DA", "VERZONDEN VANAF", "VON MEINEM",
}

--- Capitals of Greek and Cyrillic that look like those of Latin, in the same order
-- (https://www.unicode.org/Public/security/latest/confusables.txt).
M.lookalikes = {
    { "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX" },
    { "АВЕЅІЈКМНОРСТУХԚԜӀ", "ABESIJKMHOPCTYXQWI" },
}

--- What a reasonable person understands as well, by language (ISO 639-1). `polite` may stand before or
-- behind.
M.languages = {}

-- 47 CFR 64.1200(a)(10) names stop, quit, end, revoke, opt out, cancel and unsubscribe, and asks for any
-- other wording what a reasonable person would understand. REMOVE is in
-- https://docs.aws.amazon.com/sms-voice/latest/userguide/keywords-required.html. The phrases are our choice:
-- only such as say nothing else.
M.languages.en = {
    stop = {
        "OPT OUT", "OPT ME OUT", "I OPT OUT", "I WANT TO OPT OUT", "OPTING OUT", "STOP ALL", "STOP IT",
        "STOP THIS", "STOP NOW", "STOP MESSAGES", "STOP ALL MESSAGES", "STOP TEXTS", "STOP TEXTING",
        "STOP TEXTING ME", "STOP MESSAGING ME", "STOP CONTACTING ME", "STOP SENDING ME MESSAGES",
        "STOP SENDING ME TEXTS", "STOP SENDING MESSAGES", "STOP SENDING TEXTS", "STOP SENDING",
        "STOP MESSAGING", "STOP SPAMMING", "STOP SPAMMING ME", "STOP ALL TEXTS", "STOP THE MESSAGES",
        "STOP THE TEXTS", "STOP THESE MESSAGES", "STOP THESE TEXTS", "QUIT TEXTING ME", "END MESSAGES",
        "DO NOT TEXT ME", "DONT TEXT ME", "DO NOT TEXT ME AGAIN", "DONT TEXT ME AGAIN",
        "DO NOT TEXT ME ANYMORE", "DONT TEXT ME ANYMORE", "DO NOT CONTACT ME", "DONT CONTACT ME",
        "DO NOT MESSAGE ME", "DONT MESSAGE ME", "NO MORE MESSAGES", "NO MORE TEXTS", "LEAVE ME ALONE",
        "REMOVE", "REMOVE ME", "REMOVE ME FROM YOUR LIST", "REMOVE ME FROM THIS LIST", "REMOVE MY NUMBER",
        "DELETE ME", "DELETE MY NUMBER", "TAKE ME OFF YOUR LIST", "TAKE ME OFF THIS LIST",
        "TAKE ME OFF THE LIST", "GET ME OFF YOUR LIST", "GET ME OFF THIS LIST", "GET ME OFF THE LIST",
        "UNSUBSCRIBE ME",
        "UNSUBSCRIBE ALL", "UNSUB", "I UNSUBSCRIBE", "CANCEL MESSAGES", "CANCEL ALL MESSAGES",
        "CANCEL SUBSCRIPTION", "CANCEL MY SUBSCRIPTION", "I REVOKE", "REVOKE CONSENT", "REVOKE MY CONSENT",
        "I REVOKE CONSENT", "I REVOKE MY CONSENT",
    },
    help = { "HELP ME", "I NEED HELP" },
    polite = { "PLEASE", "PLS", "PLZ", "THANKS", "THANK YOU", "I SAID" },
}

-- ARRET and AIDE are what Canada asks for beside STOP and HELP:
-- https://docs.aws.amazon.com/end-user-messaging/latest/userguide/nx-rcs-launch-ca-french.md. In this
-- language and the following, what has no source is our choice: the words of every day for this, in the form
-- of an order.
M.languages.fr = {
    stop = {
        "ARRET", "ARRETE", "ARRETER", "ARRETEZ", "STOPPER", "DESABONNER", "DESABONNEMENT", "DESINSCRIRE",
        "DESINSCRIPTION", "ANNULER", "FIN", "ME DESABONNER", "ME DESINSCRIRE", "PLUS DE MESSAGES",
        "PLUS DE SMS",
    },
    help = { "AIDE" },
    polite = { "SVP", "SIL VOUS PLAIT", "SIL TE PLAIT", "STP", "MERCI" },
}

M.languages.es = {
    stop = {
        "ALTO", "PARAR", "PARE", "PARA", "DETENER", "BAJA", "DAR DE BAJA", "DARME DE BAJA", "DAME DE BAJA",
        "CANCELAR", "CANCELA", "CANCELE", "FIN", "TERMINAR", "SALIR", "BASTA", "NO MAS", "NO MAS MENSAJES",
        "DESUSCRIBIR", "DESUSCRIBIRME", "ANULAR",
    },
    help = { "AYUDA" },
    polite = { "POR FAVOR", "GRACIAS" },
}

M.languages.pt = {
    stop = {
        "PARAR", "PARE", "PARA", "SAIR", "CANCELAR", "CANCELE", "CANCELA", "FIM", "DESCADASTRAR",
        "DESINSCREVER", "REMOVER", "REMOVA", "BASTA", "CHEGA", "NAO ENVIE MAIS", "NAO QUERO MAIS",
    },
    help = { "AJUDA" },
    polite = { "POR FAVOR", "OBRIGADO", "OBRIGADA" },
}

M.languages.de = {
    stop = {
        "STOPP", "STOPPEN", "ABMELDEN", "ABMELDUNG", "ABBESTELLEN", "AUFHOREN", "AUFHOEREN", "ENDE",
        "BEENDEN", "ABBRECHEN", "AUSTRAGEN", "WIDERRUF", "WIDERRUFEN", "LOSCHEN", "LOESCHEN",
        "KEINE NACHRICHTEN MEHR", "KEINE SMS MEHR",
    },
    help = { "HILFE" },
    polite = { "BITTE", "DANKE" },
}

M.languages.it = {
    stop = {
        "FERMA", "FERMARE", "FERMATE", "BASTA", "CANCELLA", "CANCELLAMI", "CANCELLARE", "ANNULLA",
        "ANNULLARE", "DISISCRIVI", "DISISCRIVIMI", "DISISCRIZIONE", "FINE", "REVOCA", "RIMUOVI",
        "NON SCRIVETEMI PIU",
    },
    help = { "AIUTO" },
    polite = { "PER FAVORE", "GRAZIE" },
}

M.languages.nl = {
    stop = {
        "STOPPEN", "AFMELDEN", "UITSCHRIJVEN", "OPZEGGEN", "EINDE", "ANNULEREN", "VERWIJDEREN",
        "GEEN BERICHTEN MEER", "GEEN SMS MEER",
    },
    help = { "HULP" },
    polite = { "AUB", "ALSJEBLIEFT", "ALSTUBLIEFT", "GRAAG", "BEDANKT" },
}

return M
