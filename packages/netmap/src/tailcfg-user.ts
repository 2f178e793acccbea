/** Users as clients read them: tailcfg.UserProfile. */
import type { UserProfile } from '@malla/wire/tailcfg/node';
import { TAGGED_DEVICES, type User, type UserId } from './user.ts';

/** The JSON of a profile; the synthetic one for tagged devices where there is no such user. */
export function encodeUserProfile(id: UserId, user: User | undefined): string {
  return JSON.stringify(profileOf(id, user));
}

function profileOf(id: UserId, user: User | undefined): UserProfile {
  if (user === undefined) {
    return {
      ID: id,
      LoginName: id === TAGGED_DEVICES.id ? TAGGED_DEVICES.name : '',
      DisplayName: id === TAGGED_DEVICES.id ? 'Tagged Devices' : '',
    };
  }
  return {
    ID: user.id,
    LoginName: loginName(user),
    DisplayName: displayName(user),
    ...(user.pictureUrl === '' ? {} : { ProfilePicURL: user.pictureUrl }),
  };
}

/** What clients show as the person. */
export function displayName(user: User): string {
  return user.displayName === '' ? user.name : user.displayName;
}

/** What clients show as the account: the e-mail address where one is known. */
export function loginName(user: User): string {
  return user.email === '' ? user.name : user.email;
}
